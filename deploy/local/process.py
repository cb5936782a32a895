"""What a local process is: how it is started, known to be ready, and bound to the life of its parent."""

import ctypes
import http.client
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypedDict

import msgspec

PR_SET_PDEATHSIG = 1
PROBE_TIMEOUT_S = 1.0


class TcpProbe(msgspec.Struct, frozen=True, kw_only=True):
    """Ready when `port` accepts a connection and, if asked for, answers `send` with something that starts with `expect`."""

    port: int
    host: str = "127.0.0.1"
    send: bytes = b""
    expect: bytes = b""

    def answers(self) -> bool:
        """Try once, within a second."""
        try:
            with socket.create_connection((self.host, self.port), PROBE_TIMEOUT_S) as connection:
                connection.sendall(self.send)
                return not self.expect or connection.recv(len(self.expect)) == self.expect
        except OSError:
            return False


class HttpProbe(msgspec.Struct, frozen=True, kw_only=True):
    """Ready when GET `path` answers 200."""

    port: int
    path: str = "/readyz"
    host: str = "127.0.0.1"

    def answers(self) -> bool:
        """Try once, within a second."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=PROBE_TIMEOUT_S)
        try:
            connection.request("GET", self.path)
            return connection.getresponse().status == http.client.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()


class ProcessSpec(msgspec.Struct, frozen=True, kw_only=True):
    """
    One process of the stack, as a value.

    `env` is added to the environment of the supervisor, `directory` is made before the start. `port_variable` is the environment variable that moves the port,
    for the error when it is taken. A process that exits is restarted `max_restarts` times before the stack gives up; one that is
    `forgetful` keeps nothing over a restart, so that whatever depends on it starts anew with it.
    """

    name: str
    argv: tuple[str, ...]
    ready: TcpProbe | HttpProbe
    env: dict[str, str] = {}
    directory: Path | None = None
    depends_on: tuple[str, ...] = ()
    port_variable: str = ""
    ready_timeout_s: float = 30.0
    stop_timeout_s: float = 10.0
    max_restarts: int = 5
    forgetful: bool = False

    @property
    def port(self) -> int:
        """The port that the process is reached on."""
        return self.ready.port


class SpawnOptions(TypedDict):
    """Keyword arguments that `subprocess` and `asyncio` both take."""

    env: dict[str, str]
    stdin: int
    stdout: int
    stderr: int
    start_new_session: bool
    preexec_fn: Callable[[], None]


def spawn_options(spec: ProcessSpec, log: int) -> SpawnOptions:
    """Return how to start `spec`: output into the open file `log`, deaf to Ctrl-C, ended when this process ends."""
    if spec.directory:
        spec.directory.mkdir(parents=True, exist_ok=True)
    return SpawnOptions(
        env={**os.environ, **spec.env},
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        preexec_fn=_die_with_parent(),
    )


def spawn(spec: ProcessSpec, log_path: Path) -> subprocess.Popen[bytes]:
    """Start `spec` with its output appended to `log_path`."""
    with log_path.open("ab") as log:
        return subprocess.Popen(spec.argv, **spawn_options(spec, log.fileno()))  # noqa: S603 - our own table


def free_port() -> int:
    """Return a loopback port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _die_with_parent() -> Callable[[], None]:
    # Loaded here and not in the child: between fork and exec only what is async-signal-safe should happen.
    set_option = ctypes.CDLL(None).prctl if sys.platform == "linux" else None
    parent = os.getpid()

    def before_exec() -> None:
        if set_option is None:
            return
        set_option(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os.kill(os.getpid(), signal.SIGKILL)

    return before_exec
