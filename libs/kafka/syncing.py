"""When a journaled event counts as durable: acknowledged by the broker, or fsynced by a thread, whichever comes first."""

import asyncio
from collections import deque

import structlog

from libs.kafka.journal import Journal
from libs.kafka.ports import PublishError
from libs.kafka.segments import Position, sync_files

log = structlog.get_logger(__name__)


class Durability:
    """
    Knows up to which position *journal* survives a power cut.

    Events that the broker has not acknowledged *interval_s* after they were written are synced in one batch; while the
    broker is quick nothing is ever synced. Whoever waits is synced for at once, together with all others who wait.
    """

    def __init__(self, journal: Journal, *, interval_s: float) -> None:
        self.syncs = 0
        self.failed_syncs = 0
        self._journal = journal
        self._interval_s = interval_s
        self._durable = journal.acked
        self._waiting: deque[tuple[Position, asyncio.Future[None]]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._syncing: asyncio.Task[None] | None = None
        self._loop = asyncio.get_running_loop()

    def on_append(self, position: Position) -> None:
        """Note that events up to *position* were written."""
        if self._timer is None:
            self._timer = self._loop.call_later(self._interval_s, self._on_timer, position)

    def on_ack(self, position: Position) -> None:
        """Note that the broker has everything before *position*."""
        self._advance(position)

    async def wait(self, position: Position) -> None:
        """Return once everything before *position* is durable; raises `PublishError` when the disk refuses."""
        if position <= self._durable:
            return
        future: asyncio.Future[None] = self._loop.create_future()
        self._waiting.append((position, future))
        self._start_sync()
        await future

    async def close(self) -> None:
        """Sync what is left."""
        if self._timer is not None:
            self._timer.cancel()
        while self._syncing is not None:
            await asyncio.wait([self._syncing])
        if self._durable < self._journal.end:
            await self._sync()

    def _on_timer(self, position: Position) -> None:
        self._timer = None
        if self._durable < position:
            self._start_sync()
        elif self._durable < self._journal.end:
            self.on_append(self._journal.end)

    def _start_sync(self) -> None:
        if self._syncing is None:
            self._syncing = self._loop.create_task(self._sync(), name="journal-sync")
            self._syncing.add_done_callback(self._on_synced)

    def _on_synced(self, _task: asyncio.Task[None]) -> None:
        self._syncing = None
        if self._waiting:
            self._start_sync()
        elif self._durable < self._journal.end and self._timer is None:
            self.on_append(self._journal.end)

    async def _sync(self) -> None:
        position = self._journal.end
        try:
            descriptors = self._journal.dirty_descriptors()
            await self._loop.run_in_executor(None, sync_files, descriptors, self._journal.directory)
        except OSError as error:
            self._on_failure(position, error)
            return
        self.syncs += 1
        self._advance(position)

    def _on_failure(self, position: Position, error: OSError) -> None:
        self.failed_syncs += 1
        log.error("journal.sync_failed", reason=str(error))
        self._journal.start_new_file()
        while self._waiting and self._waiting[0][0] <= position:
            _resolve(self._waiting.popleft()[1], PublishError(f"the journal cannot be synced: {error}"))

    def _advance(self, position: Position) -> None:
        self._durable = max(self._durable, position)
        while self._waiting and self._waiting[0][0] <= self._durable:
            _resolve(self._waiting.popleft()[1], None)


def _resolve(future: asyncio.Future[None], error: Exception | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(None)
    else:
        future.set_exception(error)
