"""Files of a journal: numbered append-only segments and the checkpoint beside them."""

import os
import struct
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

_CHECKPOINT = struct.Struct("<QQI")
_PLACE = struct.Struct("<QQ")
_SUFFIX = ".segment"


class Position(NamedTuple):
    """A place in a journal: behind byte `offset` of segment `segment`."""

    segment: int
    offset: int


class Segment:
    """One file of frames; `size` counts the bytes written by this process or found at its start."""

    def __init__(self, directory: Path, number: int) -> None:
        self.number = number
        self.path = directory / f"{number:012d}{_SUFFIX}"
        self._fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self.size = os.fstat(self._fd).st_size

    def append(self, data: bytes) -> None:
        """Write *data* behind the last byte; after an `OSError` the segment is as it was before."""
        written = 0
        try:
            written = os.write(self._fd, data)
            while written < len(data):
                written += os.write(self._fd, data[written:])
        except OSError:
            if written:
                self.truncate(self.size)
            raise
        self.size += len(data)

    def read(self, offset: int, limit: int) -> bytes:
        """Return up to *limit* of the written bytes from *offset*."""
        return os.pread(self._fd, min(limit, self.size - offset), offset)

    def truncate(self, size: int) -> None:
        """Cut the file to *size* bytes."""
        os.ftruncate(self._fd, size)
        self.size = size

    def duplicate_fd(self) -> int:
        """Return another descriptor of the file, for a thread that syncs it; the caller closes it."""
        return os.dup(self._fd)

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)

    def delete(self) -> None:
        """Close and remove the file."""
        self.close()
        self.path.unlink(missing_ok=True)


class Checkpoint:
    """
    Remembers up to where a journal's events are with the broker.

    It is overwritten in place and not synced: an old one makes duplicates, which consumers drop, and a damaged one counts
    as none.
    """

    def __init__(self, directory: Path) -> None:
        self._fd = os.open(directory / "checkpoint", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def load(self) -> Position:
        """Return the position, `(0, 0)` when there is none."""
        data = os.pread(self._fd, _CHECKPOINT.size, 0)
        if len(data) < _CHECKPOINT.size or crc32(data[: _PLACE.size]) != _CHECKPOINT.unpack(data)[2]:
            return Position(0, 0)
        return Position(*_PLACE.unpack_from(data))

    def save(self, position: Position) -> None:
        """Keep *position*."""
        place = _PLACE.pack(*position)
        os.pwrite(self._fd, place + struct.pack("<I", crc32(place)), 0)

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)


def segment_numbers(directory: Path) -> list[int]:
    """Return the numbers of the segments in *directory*, ascending."""
    return sorted(int(path.stem) for path in directory.glob(f"*{_SUFFIX}") if path.stem.isdigit())


def sync_files(descriptors: list[int], directory: Path) -> None:
    """Fsync and close *descriptors*, then the directory that names their files; blocking, for a thread."""
    try:
        for descriptor in descriptors:
            os.fsync(descriptor)
        directory_fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(directory_fd)
        finally:
            os.close(directory_fd)
    finally:
        for descriptor in descriptors:
            os.close(descriptor)
