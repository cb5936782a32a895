"""The journal: events on this machine's disk, in order, until the broker has them."""

import os
from collections.abc import Sequence
from pathlib import Path

import msgspec
import structlog

from libs.kafka import frames
from libs.kafka.record import Message
from libs.kafka.segments import Checkpoint, Position, Segment, segment_numbers

log = structlog.get_logger(__name__)


class JournalFullError(Exception):
    """The journal holds as many unacknowledged bytes as it may."""


class Chunk(msgspec.Struct, frozen=True, kw_only=True):
    """Consecutive events and the position behind the last of them."""

    messages: tuple[Message, ...]
    end: Position


class Journal:
    """
    A log in *directory*, written and read by one process (see `slots`), at most *max_bytes* long.

    What another life left there is read first. Files are written within the call, so that what `append` took survives the
    death of the process; surviving the death of the machine takes `dirty_descriptors` and `sync_files`. Appends go to a file
    of this life only, so that damage to a tail stays where the crash left it.
    """

    def __init__(self, directory: Path, *, segment_bytes: int, max_bytes: int) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self.torn_bytes = 0
        self._segment_bytes = segment_bytes
        self._max_bytes = max_bytes
        self._checkpoint = Checkpoint(directory)
        self._acked = self._checkpoint.load()
        self._segments = [Segment(directory, number) for number in segment_numbers(directory)]
        self._newest = max(self._acked.segment, *(segment.number for segment in self._segments), 0)
        self._active: Segment | None = None
        self._dirty: dict[int, Segment] = {}
        self._read_at = self._acked
        self._drop_acked()

    @property
    def size_bytes(self) -> int:
        """Return the bytes on disk."""
        return sum(segment.size for segment in self._segments)

    @property
    def end(self) -> Position:
        """Return the position behind the last event."""
        last = self._segments[-1] if self._segments else None
        return Position(last.number, last.size) if last else self._acked

    @property
    def acked(self) -> Position:
        """Return the position up to which the broker has everything."""
        return self._acked

    @property
    def unread_bytes(self) -> int:
        """Return how many bytes `read` has yet to return."""
        return sum(
            segment.size - (self._read_at.offset if segment.number == self._read_at.segment else 0)
            for segment in self._segments
            if segment.number >= self._read_at.segment
        )

    def append(self, encoded: Sequence[bytes]) -> Position:
        """
        Write *encoded* frames with one system call and return the position behind them.

        All or nothing: raises `JournalFullError` or `OSError` with nothing written.
        """
        data = b"".join(encoded)
        if self.size_bytes + len(data) > self._max_bytes:
            raise JournalFullError(f"{self.size_bytes} of {self._max_bytes} bytes are in use")
        segment = self._writable()
        try:
            segment.append(data)
        except OSError:
            # Whether the file could be restored is unknown: what follows goes to a new one.
            self._active = None
            raise
        self._dirty[segment.number] = segment
        return Position(segment.number, segment.size)

    def read(self, max_bytes: int) -> Chunk | None:
        """Return the next events, about *max_bytes* of them but at least one, or None when all were read."""
        while (segment := self._segment_to_read()) is not None:
            chunk = self._read_segment(segment, max_bytes)
            if chunk is not None:
                self._read_at = chunk.end
                return chunk
            self._cut_torn_tail(segment)
        return None

    def ack(self, position: Position) -> None:
        """Note that the broker has everything before *position*, and delete the files that hold nothing else."""
        self._acked = max(self._acked, position)
        self._checkpoint.save(self._acked)
        self._drop_acked()

    def dirty_descriptors(self) -> list[int]:
        """Return a descriptor for each file written since the last call, for `sync_files`; an `OSError` forgets none."""
        descriptors: list[int] = []
        try:
            for segment in self._dirty.values():
                descriptors.append(segment.duplicate_fd())  # noqa: PERF401 - those made before a failure have to be closed
        except OSError:
            for descriptor in descriptors:
                os.close(descriptor)
            raise
        self._dirty = {}
        return descriptors

    def start_new_file(self) -> None:
        """Append to a new file from here on: the current one is not to be trusted (a sync of it failed)."""
        self._active = None

    def close(self) -> None:
        """Close all files; those without an unacknowledged event are deleted."""
        self._active = None
        self._drop_acked()
        for segment in self._segments:
            segment.close()
        self._segments = []
        self._checkpoint.close()

    def _writable(self) -> Segment:
        if self._active is None or self._active.size >= self._segment_bytes:
            self._newest += 1
            self._active = Segment(self.directory, self._newest)
            self._segments.append(self._active)
        return self._active

    def _segment_to_read(self) -> Segment | None:
        for segment in self._segments:
            read = self._read_at.offset if segment.number == self._read_at.segment else 0
            if segment.number >= self._read_at.segment and read < segment.size:
                self._read_at = Position(segment.number, read)
                return segment
        return None

    def _read_segment(self, segment: Segment, max_bytes: int) -> Chunk | None:
        offset = self._read_at.offset
        data = segment.read(offset, max_bytes)
        length = frames.frame_length(data, 0)
        if length is not None and length > len(data):
            data = segment.read(offset, length)
        messages, end = _decode(data)
        return Chunk(messages=messages, end=Position(segment.number, offset + end)) if messages else None

    def _cut_torn_tail(self, segment: Segment) -> None:
        torn = segment.size - self._read_at.offset
        self.torn_bytes += torn
        log.error("journal.torn", file=str(segment.path), offset=self._read_at.offset, bytes=torn)
        segment.truncate(self._read_at.offset)
        if segment is self._active:
            self._active = None

    def _drop_acked(self) -> None:
        kept = []
        for segment in self._segments:
            if segment is not self._active and self._is_acked(segment):
                self._dirty.pop(segment.number, None)
                segment.delete()
            else:
                kept.append(segment)
        self._segments = kept

    def _is_acked(self, segment: Segment) -> bool:
        return segment.number < self._acked.segment or Position(segment.number, segment.size) <= self._acked


def _decode(data: bytes) -> tuple[tuple[Message, ...], int]:
    messages, end = [], 0
    try:
        for framed in frames.decode(data):
            messages.append(framed.message)
            end = framed.end
    except frames.FrameError:
        # What stands before the damage is good; the next read begins at it and returns nothing.
        return tuple(messages), end
    return tuple(messages), end
