"""Records gathered into batches of one partition number, bounded by count, by age and, on request, by offset."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Generic, TypeVar

import msgspec

from libs.kafka.record import Record

E_co = TypeVar("E_co", covariant=True)


class BatchLimits(msgspec.Struct, frozen=True, kw_only=True):
    """
    When a batch is full: *max_records* gathered, or its first record waited *max_wait_s*.

    With *cut_every* set no batch holds records of both sides of an offset that is a multiple of it, so that a batch
    read again after a crash ends where it ended the first time.
    """

    max_records: int = 500
    max_wait_s: float = 0.1
    poll_s: float = 0.05
    cut_every: int | None = None


class Batch(msgspec.Struct, Generic[E_co], frozen=True, kw_only=True):
    """
    Records of one partition number over all subscribed topics, in poll order.

    `events` are the decoded `records`, one for one; dead-lettered records are in neither, but `next_offsets` (per topic,
    what to resume from once this batch is durable) counts them, so both may be empty. `start_offsets` is what
    `next_offsets` was before, for topics that had a place: together they make a compare-and-set.
    """

    partition: int
    records: tuple[Record, ...]
    events: tuple[E_co, ...]
    start_offsets: Mapping[str, int]
    next_offsets: Mapping[str, int]


class _Gathering:
    """The records of one partition number that wait to be handled."""

    __slots__ = ("buckets", "closed", "deadline_s", "records")

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.closed: list[list[Record]] = []
        self.buckets: dict[str, int] = {}
        self.deadline_s = 0.0

    def add(self, record: Record, limits: BatchLimits, now_s: float) -> None:
        if self._crosses_cut(record, limits.cut_every) and self.records:
            self._close()
        if not self.records:
            self.deadline_s = now_s + limits.max_wait_s
        self.records.append(record)
        if len(self.records) >= limits.max_records:
            self._close()

    def take(self, now_s: float) -> list[list[Record]]:
        if self.records and now_s >= self.deadline_s:
            self._close()
        closed, self.closed = self.closed, []
        return closed

    def _close(self) -> None:
        self.closed.append(self.records)
        self.records = []

    def _crosses_cut(self, record: Record, cut_every: int | None) -> bool:
        if cut_every is None:
            return False
        bucket = record.offset // cut_every
        before, self.buckets[record.topic] = self.buckets.get(record.topic, bucket), bucket
        return before != bucket


class Batcher:
    """Gathers records per partition number; time comes in as an argument (seconds of a monotonic clock)."""

    def __init__(self, limits: BatchLimits) -> None:
        self._limits = limits
        self._gathering: dict[int, _Gathering] = {}

    def add(self, records: Iterable[Record], *, now_s: float) -> None:
        """Take *records* in poll order."""
        for record in records:
            gathering = self._gathering.get(record.partition)
            if gathering is None:
                gathering = self._gathering[record.partition] = _Gathering()
            gathering.add(record, self._limits, now_s)

    def take(self, *, now_s: float) -> Iterator[tuple[int, list[Record]]]:
        """Yield `(partition, records)` for every batch that is full or old enough, oldest first per partition."""
        for partition, gathering in list(self._gathering.items()):
            for records in gathering.take(now_s):
                yield partition, records

    def wait_s(self, *, now_s: float) -> float:
        """Return how long a poll may wait without making a batch late; at most `poll_s`."""
        deadlines = (gathering.deadline_s for gathering in self._gathering.values() if gathering.records)
        return max(
            0.0, min(self._limits.poll_s, *(deadline_s - now_s for deadline_s in deadlines), self._limits.poll_s)
        )

    def forget(self, partitions: Iterable[int]) -> None:
        """Drop what waits of *partitions*: they are read again by whoever owns them next."""
        for partition in partitions:
            self._gathering.pop(partition, None)
