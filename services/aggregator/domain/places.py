"""Where a partition is resumed: the stored place in each log, checked against the log that is there now."""

import zlib
from collections.abc import Mapping
from typing import Literal

import msgspec

Finding = Literal["resumed", "first", "reborn", "expired"]


class Fingerprint(msgspec.Struct, frozen=True, kw_only=True):
    """One record recognised again: its offset, the producer's clock and a CRC-32 of key and value."""

    offset: int
    timestamp_ms: int
    crc: int

    def text(self) -> str:
        """Return the form that is stored."""
        return f"{self.offset}:{self.timestamp_ms}:{self.crc}"


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """
    The next offset to apply, and the last applied record's fingerprint where there is one.

    *epoch_ms* is when the present log was begun, 0 for the first one: rows that were stored until then are of earlier logs,
    and applied whatever their offsets say.
    """

    next_offset: int
    last: Fingerprint | None = None
    epoch_ms: int = 0


class LogBounds(msgspec.Struct, frozen=True, kw_only=True):
    """The first offset that a log still keeps, and the one that its next record gets."""

    beginning: int
    end: int


class Resumption(msgspec.Struct, frozen=True, kw_only=True):
    """
    Where to begin and why.

    *first*: nothing was applied yet. *reborn*: the log is another one under the old name. *expired*: retention took *lost*
    records before they were applied.
    """

    offset: int
    finding: Finding
    lost: int = 0


def fingerprint(*, offset: int, timestamp_ms: int, key: bytes, value: bytes) -> Fingerprint:
    """Return the fingerprint of one record."""
    return Fingerprint(offset=offset, timestamp_ms=timestamp_ms, crc=zlib.crc32(value, zlib.crc32(key)))


def parse_places(fields: Mapping[str, str]) -> dict[str, Place]:
    """Return topic → place from the stored hash: `<topic>` the next offset, `<topic>:print` and `<topic>:epoch` the rest."""
    return {
        topic: Place(
            next_offset=int(value),
            last=_parse_print(fields.get(f"{topic}:print")),
            epoch_ms=int(fields.get(f"{topic}:epoch", "0")),
        )
        for topic, value in fields.items()
        if ":" not in topic
    }


def resume(place: Place | None, log: LogBounds, found: Fingerprint | None) -> Resumption:
    """
    Decide where a topic is read from.

    *found* is the fingerprint of the record that the log holds today at `place.last.offset`; None when it holds none.
    """
    if place is None:
        return Resumption(offset=log.beginning, finding="first")
    if place.next_offset > log.end or (found is not None and found != place.last):
        return Resumption(offset=log.beginning, finding="reborn")
    if place.next_offset < log.beginning:
        return Resumption(offset=log.beginning, finding="expired", lost=log.beginning - place.next_offset)
    return Resumption(offset=place.next_offset, finding="resumed")


def _parse_print(text: str | None) -> Fingerprint | None:
    if not text:
        return None
    offset, timestamp_ms, crc = (int(part) for part in text.split(":"))
    return Fingerprint(offset=offset, timestamp_ms=timestamp_ms, crc=crc)
