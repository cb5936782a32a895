"""Which supervisor runs on a data directory: a pid file that is locked for as long as its process lives."""

import fcntl
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

POLL_S = 0.05


class AlreadyRunningError(Exception):
    """Another supervisor runs on the same data directory."""


class StopTimeoutError(Exception):
    """The supervisor was asked to stop and still runs."""


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Own `path` while the block runs; raises AlreadyRunningError naming the owner when somebody else does."""
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise AlreadyRunningError(f"already running with pid {path.read_text()}; `make stop` ends it") from error
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
        file.truncate(0)


def owner(path: Path) -> int | None:
    """Return the pid of the process that holds `path`; None when nobody does, whatever the file says."""
    try:
        with path.open("r+") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return None
    except BlockingIOError:
        pid = path.read_text()
        return int(pid) if pid else None
    return None


def stop_owner(path: Path, *, timeout_s: float) -> bool:
    """End the process that holds `path` and wait until it is gone; False when there was none."""
    pid = owner(path)
    if pid is None:
        return False
    os.kill(pid, signal.SIGTERM)
    deadline_s = time.monotonic() + timeout_s
    while owner(path) == pid:
        if time.monotonic() > deadline_s:
            raise StopTimeoutError(f"pid {pid} still runs {timeout_s:g} s after it was asked to stop")
        time.sleep(POLL_S)
    return True
