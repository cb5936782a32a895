"""From the journal to the broker: in order, again and again until acknowledged, first of all what another life left."""

import asyncio
from collections.abc import Callable, Sequence

import structlog

from libs.kafka import slots
from libs.kafka.frames import encode
from libs.kafka.journal import Chunk, Journal
from libs.kafka.ports import MessageRefusedError, Sender, SendError
from libs.kafka.record import Message
from libs.kafka.segments import Position
from libs.kafka.settings import JournalSettings

log = structlog.get_logger(__name__)

FIRST_BACKOFF_S = 0.1
LAST_BACKOFF_S = 2.0
# An acknowledgement that takes longer than this is reported as an outage; it is still waited for.
STALL_S = 2.0


class Delivery:
    """
    Hands the events of *journal* to *sender*, one chunk at a time, and acknowledges each chunk.

    `outage` says why the broker does not take events at present. An event that it never will take is set aside in the file
    `refused` of the journal's directory (same format), counted and logged.
    """

    def __init__(
        self, sender: Sender, journal: Journal, settings: JournalSettings, *, on_ack: Callable[[Position], None]
    ) -> None:
        self.delivered = 0
        self.refused = 0
        self.outage: str | None = None
        self._sender = sender
        self._journal = journal
        self._settings = settings
        self._on_ack = on_ack
        self._arrived = asyncio.Event()
        self._idle = asyncio.Event()
        self._draining = False

    def wake(self) -> None:
        """Note that the journal has something to read."""
        self._arrived.set()
        self._idle.clear()

    async def run(self) -> None:
        """Deliver for ever; journals whose process has died are delivered too."""
        self.wake()
        await self._adopt()
        while True:
            self._arrived.clear()
            await self._deliver_all(self._journal)
            if not self._arrived.is_set():
                self._idle.set()
                await self._wait_for_work()

    async def drain(self, *, timeout_s: float) -> None:
        """Return once everything is delivered, or after *timeout_s*."""
        self._draining = True
        try:
            await asyncio.wait_for(self._idle.wait(), timeout_s)
        except TimeoutError:
            log.warning("journal.kept", bytes=self._journal.size_bytes)

    async def _wait_for_work(self) -> None:
        try:
            await asyncio.wait_for(self._arrived.wait(), self._settings.adopt_interval_s)
        except TimeoutError:
            await self._adopt()

    async def _adopt(self) -> None:
        for slot in slots.adopt(self._settings.directory):
            log.warning("journal.adopted", directory=str(slot.directory))
            orphan = Journal(slot.directory, segment_bytes=self._settings.segment_bytes, max_bytes=0)
            try:
                await self._deliver_all(orphan)
            finally:
                orphan.close()
                slot.release()

    async def _deliver_all(self, journal: Journal) -> None:
        await self._linger()
        while (chunk := journal.read(self._settings.chunk_bytes)) is not None:
            await self._deliver(journal, chunk)
            journal.ack(chunk.end)
            if journal is self._journal:
                self._on_ack(chunk.end)
            await self._linger()

    async def _linger(self) -> None:
        if not self._draining and self._journal.unread_bytes < self._settings.chunk_bytes:
            await asyncio.sleep(self._settings.linger_s)

    async def _deliver(self, journal: Journal, chunk: Chunk) -> None:
        try:
            await self._send(chunk.messages)
        except MessageRefusedError:
            await self._deliver_one_by_one(journal, chunk)
        self.delivered += len(chunk.messages)

    async def _deliver_one_by_one(self, journal: Journal, chunk: Chunk) -> None:
        for message in chunk.messages:
            try:
                await self._send([message])
            except MessageRefusedError as error:
                self._set_aside(journal, message, str(error))

    async def _send(self, messages: Sequence[Message]) -> None:
        backoff_s = FIRST_BACKOFF_S
        while True:
            try:
                await self._attempt(messages)
            except SendError as error:
                self._mark_away(str(error))
            else:
                self._mark_back()
                return
            await asyncio.sleep(backoff_s)
            backoff_s = min(LAST_BACKOFF_S, backoff_s * 2)

    async def _attempt(self, messages: Sequence[Message]) -> None:
        sending = asyncio.ensure_future(self._sender.send(messages))
        try:
            while not (await asyncio.wait([sending], timeout=STALL_S))[0]:
                self._mark_away("no acknowledgement yet")
        finally:
            sending.cancel()
        sending.result()

    def _mark_away(self, reason: str) -> None:
        if self.outage is None:
            log.error("kafka.away", reason=reason, waiting_bytes=self._journal.size_bytes)
        self.outage = reason

    def _mark_back(self) -> None:
        if self.outage is not None:
            log.info("kafka.back", waiting_bytes=self._journal.size_bytes)
        self.outage = None

    def _set_aside(self, journal: Journal, message: Message, reason: str) -> None:
        with (journal.directory / "refused").open("ab") as file:
            file.write(encode(message.topic, message.key, message.value, message.timestamp_ms))
        self.refused += 1
        log.error("event.refused", topic=message.topic, size_bytes=len(message.value), reason=reason, file=file.name)
