"""What the consumer loop and the publisher need from a broker, and what a service needs from them."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeVar

from libs.kafka.batches import Batch
from libs.kafka.record import Message, Record

E_contra = TypeVar("E_contra", contravariant=True)


class SendError(Exception):
    """The broker did not acknowledge; sending the same messages again may succeed."""


class MessageRefusedError(Exception):
    """The broker will never take this one message (too large for it)."""


class PublishError(Exception):
    """The event is neither acknowledged by the broker nor on disk; the caller must not claim that it is stored."""


class Publisher(Protocol):
    """Where a service leaves its events."""

    def publish(self, topic: str, key: bytes, value: bytes) -> None:
        """Take the event without waiting; never raises. A refused event is counted and logged."""

    async def publish_durably(self, topic: str, key: bytes, value: bytes) -> None:
        """Return once the event survives a power cut (acknowledged by the broker, or fsynced here); else `PublishError`."""


class Sender(Protocol):
    """A connection that writes."""

    async def send(self, messages: Sequence[Message]) -> None:
        """
        Write *messages*, in order per key, and return once the broker has acknowledged every one.

        Raises `SendError` when some are not acknowledged: the caller sends all of them again (consumers drop duplicates).
        Raises `MessageRefusedError` for a single message that can never be written.
        """


class AssignmentListener(Protocol):
    """Told which partition numbers this process owns."""

    async def on_assigned(self, partitions: frozenset[int]) -> None:
        """Prepare; called inside `Source.poll`, before it returns any record of *partitions*."""

    async def on_revoked(self, partitions: frozenset[int]) -> None:
        """Finish and forget; the source gives *partitions* away once this returns. May come from another task."""


class Source(Protocol):
    """A connection that reads co-partitioned topics."""

    @property
    def topics(self) -> tuple[str, ...]:
        """Return the topics read, all with the same number of partitions."""

    async def start(self, listener: AssignmentListener) -> None:
        """Connect (again and again, logging, while the broker is away) and begin to receive assignments."""

    async def stop(self) -> None:
        """Leave: give the partitions back and close the connection."""

    async def poll(self, *, max_records: int, timeout_s: float) -> Sequence[Record]:
        """Return at most *max_records* new records, in order per partition; empty after *timeout_s* without any."""

    def seek(self, topic: str, partition: int, offset: int) -> None:
        """Read an owned partition from *offset* on."""

    async def position(self, topic: str, partition: int) -> int:
        """Return the offset of the next record that `poll` would return from an owned partition."""

    async def commit(self, offsets: Mapping[tuple[str, int], int]) -> None:
        """Keep `{(topic, partition): next offset}` with the group, as long as it counts us as the owner."""

    async def beginning_offsets(self, partition: int) -> dict[str, int]:
        """Return the first offset still kept, per topic."""

    async def end_offsets(self, partition: int) -> dict[str, int]:
        """Return the offset that the next record will get, per topic."""

    async def read_one(self, topic: str, partition: int, offset: int) -> Record | None:
        """Return the record at *offset*, or None when the log does not hold it; leaves positions alone."""


class BatchHandler(Protocol[E_contra]):
    """A service's use of its records."""

    async def handle(self, batch: Batch[E_contra]) -> None:
        """Make the batch's effect durable; any exception leaves progress where it is and ends the process."""


class DeadLetters(Protocol):
    """Where records that nobody can process are kept."""

    async def put(self, record: Record, *, reason: str) -> None:
        """Return once *record* is stored with its key, value, origin and *reason*; else raise, which stops the consumer."""


class Progress(Protocol):
    """Where a consumer's place in the log is kept."""

    async def resume(self, source: Source, partitions: frozenset[int]) -> None:
        """Point *source* at the first record of *partitions* whose effect is not yet durable."""

    async def done(self, source: Source, batch: Batch[Any]) -> None:
        """Note that the effect of *batch* is durable."""
