"""Records as consumers see them, messages as senders take them, and the one error a handler may raise on purpose."""

import msgspec


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """One Kafka record, without the client library's type; `timestamp_ms` is the producer's clock, Unix epoch."""

    topic: str
    partition: int
    offset: int
    key: bytes
    value: bytes
    timestamp_ms: int = 0
    headers: tuple[tuple[str, bytes], ...] = ()

    @property
    def next_offset(self) -> int:
        """Return the offset to resume from once this record is done."""
        return self.offset + 1


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """One record to be: its partition follows from the key, its offset is the broker's to give."""

    topic: str
    key: bytes
    value: bytes
    timestamp_ms: int
    headers: tuple[tuple[str, bytes], ...] = ()


class InvalidRecordError(Exception):
    """The record can never be processed; dead-letter it and move on."""
