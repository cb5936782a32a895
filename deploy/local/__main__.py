"""`python -m deploy.local`: the whole platform on embedded backends, on this machine, without Docker."""

import argparse
import asyncio
import os
import secrets
import signal
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

import msgspec
from rich.console import Console

from deploy.local import pidfile
from deploy.local.ports import PortTakenError, check_free
from deploy.local.process import ProcessSpec
from deploy.local.screen import LiveScreen, PlainScreen, process_table
from deploy.local.settings import StackSettings
from deploy.local.simulated_models import providers_file
from deploy.local.stack import backends, stack
from deploy.local.supervisor import ProcessStatus, StackFailedError, Supervisor
from libs.providers.known import KNOWN
from libs.runtime.config import ConfigError, load

STOP_TIMEOUT_S = 60


def main() -> int:
    """Run the stack, stop it or tell its state; return the exit code."""
    arguments = _arguments()
    try:
        env = {**os.environ, **arguments.settings}
        settings = _with_providers(load(StackSettings, env=env), env)
        if arguments.stop:
            return _stop(settings)
        if arguments.status:
            return _status(settings)
        return _run(settings, backends_only=arguments.backends, plain=arguments.plain or not sys.stdout.isatty())
    except (
        ConfigError,
        PortTakenError,
        StackFailedError,
        pidfile.AlreadyRunningError,
        pidfile.StopTimeoutError,
    ) as error:
        sys.stderr.write(f"agent-gateway: {error}\n")
        return 1


def _with_providers(settings: StackSettings, env: Mapping[str, str]) -> StackSettings:
    if settings.providers_file or any(env.get(known.api_key_env) for known in KNOWN):
        return settings
    return msgspec.structs.replace(settings, providers_file=settings.simulated_providers_file)


def _run(settings: StackSettings, *, backends_only: bool, plain: bool) -> int:
    settings.logs.mkdir(parents=True, exist_ok=True)
    with pidfile.held(settings.pid_file):
        secret = _internal_secret(settings.data / "internal-secret")
        _replace(settings.simulated_providers_file, providers_file(settings.simulated_base_url))
        specs = backends(settings) if backends_only else stack(settings, internal_secret=secret)
        check_free(specs)
        asyncio.run(_supervise(specs, settings, plain=plain))
    return 0


async def _supervise(specs: tuple[ProcessSpec, ...], settings: StackSettings, *, plain: bool) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)

    def changed(status: ProcessStatus) -> None:
        _replace(settings.status_file, msgspec.json.encode(supervisor.statuses))
        screen.changed(status)

    supervisor = Supervisor(specs, logs=settings.logs, changed=changed)
    with ExitStack() as closing:
        screen = PlainScreen(Console()) if plain else LiveScreen(Console(), lambda: supervisor.statuses)
        if isinstance(screen, LiveScreen):
            closing.enter_context(screen.live)
        await supervisor.run(stop, ready=lambda: screen.ready(settings))


def _stop(settings: StackSettings) -> int:
    stopped = pidfile.stop_owner(settings.pid_file, timeout_s=STOP_TIMEOUT_S)
    sys.stdout.write("stopped\n" if stopped else "nothing runs here\n")
    return 0


def _status(settings: StackSettings) -> int:
    pid = pidfile.owner(settings.pid_file)
    if pid is None:
        sys.stdout.write("nothing runs here\n")
        return 1
    statuses = msgspec.json.decode(settings.status_file.read_bytes(), type=tuple[ProcessStatus, ...])
    Console().print(process_table(statuses))
    return 0


def _replace(path: Path, content: bytes) -> None:
    # A reader sees the old state or the new one, never half of it.
    draft = path.with_suffix(".draft")
    draft.write_bytes(content)
    draft.replace(path)


def _internal_secret(path: Path) -> str:
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(secrets.token_urlsafe(32))
    return path.read_text()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m deploy.local", description=__doc__)
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--stop", action="store_true", help="end the stack that runs on the data directory")
    what.add_argument("--status", action="store_true", help="show its processes; exit 1 when nothing runs")
    what.add_argument("--backends", action="store_true", help="run only what the services stand on")
    parser.add_argument("--data", type=Path, help="data directory, default .data (or the variable DATA)")
    parser.add_argument("--plain", action="store_true", help="a line per change instead of a table")
    arguments = parser.parse_args()
    arguments.settings = {"DATA": str(arguments.data)} if arguments.data else {}
    return arguments


if __name__ == "__main__":
    sys.exit(main())
