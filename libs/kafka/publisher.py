"""The publisher: every event reaches the local journal first, then Kafka, in order, as often as it takes."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import structlog

from libs.kafka import frames, slots
from libs.kafka.delivery import Delivery
from libs.kafka.journal import Journal, JournalFullError
from libs.kafka.ports import PublishError, Sender
from libs.kafka.segments import Position
from libs.kafka.settings import JournalSettings
from libs.kafka.syncing import Durability
from libs.runtime.clock import epoch_ms

log = structlog.get_logger(__name__)

# An event that meets a disk that refuses to write waits in memory, up to this much.
MAX_PENDING_BYTES = 16 << 20
RETRY_WRITE_S = 0.1


class JournaledPublisher:
    """
    A `Publisher` that never loses an event it took: see `Journal` for what survives what.

    Events published in one tick of the event loop are written with one system call at the end of the tick. An event is
    dropped, counted and logged when the journal is full, when the disk refuses it for long, or when it exceeds
    *max_message_bytes*. Consumers see an event at least once.
    """

    def __init__(
        self,
        sender: Sender,
        settings: JournalSettings,
        *,
        max_message_bytes: int = 1_000_000,
        clock_ms: Callable[[], int] = epoch_ms,
    ) -> None:
        self.dropped: dict[str, int] = {"journal_full": 0, "disk": 0, "too_large": 0}
        self.published = 0
        self._settings = settings
        self._max_message_bytes = max_message_bytes
        self._clock_ms = clock_ms
        self._pending: list[bytes] = []
        self._pending_bytes = 0
        self._flush_is_due = False
        self._is_full = False
        self._is_closed = False
        self._slot = slots.claim(settings.directory)
        self._journal = open_journal(self._slot.directory, settings)
        self._durability = Durability(self._journal, interval_s=settings.sync_interval_s)
        self._delivery = Delivery(sender, self._journal, settings, on_ack=self._durability.on_ack)
        self._loop = asyncio.get_running_loop()
        self._delivering = self._loop.create_task(self._delivery.run(), name="journal-delivery")

    @property
    def delivery(self) -> Delivery:
        """Return the half that talks to the broker, for its counters."""
        return self._delivery

    @property
    def journal(self) -> Journal:
        """Return the journal, for its sizes."""
        return self._journal

    def publish(self, topic: str, key: bytes, value: bytes) -> None:
        """Take the event; it is on disk when this tick of the event loop ends."""
        self._take(topic, key, value)

    async def publish_durably(self, topic: str, key: bytes, value: bytes) -> None:
        """Return once the event is acknowledged by the broker or fsynced here; raises `PublishError` otherwise."""
        if not self._take(topic, key, value):
            raise PublishError("the event is too large")
        position = self._flush()
        if position is None:
            raise PublishError("the journal does not take events")
        await self._durability.wait(position)

    async def check(self) -> str | None:
        """Answer a health check: None while events flow, else what is wrong; raises when delivery has died."""
        if self._delivering.done():
            self._delivering.result()
        if self._is_full:
            return f"journal full, {sum(self.dropped.values())} events dropped"
        if self._pending_bytes:
            return "the disk does not take events"
        if self._delivery.outage:
            return f"kafka is away, {self._journal.unread_bytes} bytes wait: {self._delivery.outage}"
        return None

    async def close(self) -> None:
        """Deliver what is left within the time set for it; the rest stays on disk for the next life."""
        self._flush()
        self._is_closed = True
        await self._delivery.drain(timeout_s=self._settings.close_timeout_s)
        self._delivering.cancel()
        await asyncio.wait([self._delivering])
        await self._durability.close()
        self._journal.close()
        self._slot.release()

    def _take(self, topic: str, key: bytes, value: bytes) -> bool:
        if len(key) + len(value) > self._max_message_bytes:
            self._drop("too_large", 1, topic=topic, size_bytes=len(value))
            return False
        frame = frames.encode(topic, key, value, self._clock_ms())
        self._pending.append(frame)
        self._pending_bytes += len(frame)
        self.published += 1
        if not self._flush_is_due:
            self._flush_is_due = True
            self._loop.call_soon(self._flush)
        return True

    def _flush(self) -> Position | None:
        self._flush_is_due = False
        if self._is_closed:
            self._drop("disk", len(self._pending), reason="closed")
            return None
        if not self._pending:
            return self._journal.end
        try:
            position = self._journal.append(self._pending)
        except JournalFullError as error:
            self._is_full = True
            self._drop("journal_full", len(self._pending), reason=str(error))
            return None
        except OSError as error:
            self._keep_in_memory(error)
            return None
        self._is_full = False
        self._forget_pending()
        self._durability.on_append(position)
        self._delivery.wake()
        return position

    def _keep_in_memory(self, error: OSError) -> None:
        if self._pending_bytes > MAX_PENDING_BYTES:
            self._drop("disk", len(self._pending), reason=str(error))
        elif not self._flush_is_due:
            log.error("journal.unwritable", reason=str(error), waiting=len(self._pending))
            self._flush_is_due = True
            self._loop.call_later(RETRY_WRITE_S, self._flush)

    def _drop(self, why: str, count: int, **fields: object) -> None:
        if not count:
            return
        self.dropped[why] += count
        if why != "too_large":
            self._forget_pending()
        log.error("events.dropped", why=why, count=count, total=self.dropped[why], **fields)

    def _forget_pending(self) -> None:
        self._pending = []
        self._pending_bytes = 0


def open_journal(directory: Path, settings: JournalSettings) -> Journal:
    """Return the journal in *directory* with the configured limits."""
    return Journal(directory, segment_bytes=settings.segment_bytes, max_bytes=settings.max_bytes)
