"""Which process owns which journal directory: numbered slots, each held by a file lock that dies with its process."""

import fcntl
import os
from pathlib import Path

from libs.kafka.segments import segment_numbers

_MOST = 1024


class SlotsExhaustedError(Exception):
    """More processes share one journal directory than anybody runs on a machine."""


class Slot:
    """A directory that belongs to this process until `release`."""

    def __init__(self, directory: Path, lock_fd: int) -> None:
        self.directory = directory
        self._lock_fd = lock_fd

    @property
    def is_used(self) -> bool:
        """Say whether another life left events here."""
        return bool(segment_numbers(self.directory))

    def release(self) -> None:
        """Give the directory up."""
        os.close(self._lock_fd)


def claim(root: Path) -> Slot:
    """Take the first free slot under *root*; after a restart that is the one this process had before."""
    for number in range(_MOST):
        slot = _try(root / str(number))
        if slot is not None:
            return slot
    raise SlotsExhaustedError(str(root))


def adopt(root: Path) -> list[Slot]:
    """Take every slot under *root* that has events and lost its process."""
    candidates = sorted(path for path in root.iterdir() if path.is_dir() and segment_numbers(path))
    return [slot for slot in map(_try, candidates) if slot is not None]


def _try(directory: Path) -> Slot | None:
    directory.mkdir(parents=True, exist_ok=True)
    lock_fd = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock_fd)
        return None
    return Slot(directory, lock_fd)
