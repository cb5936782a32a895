"""The materialiser: applies the control log to the read model, from the beginning whenever it cannot tell where it was."""

import asyncio
from collections.abc import Callable
from typing import Any, cast

import structlog

from libs.contracts.events import ControlChanged
from libs.contracts.unreadable import UNREADABLE
from libs.kafka.batches import Batch
from libs.kafka.events import decode_event
from libs.kafka.ports import Source
from libs.kafka.record import InvalidRecordError, Record
from services.router.domain.entities import Place, Ref, ref_of
from services.router.domain.projection import project
from services.router.metrics import RouterMetrics
from services.router.ports import Materialisation

log = structlog.get_logger(__name__)


class ReadModelLostError(Exception):
    """The read model forgot where it was while it was running: start again and rebuild it."""


class LogRebornError(Exception):
    """The log ends before the place that was read last: start again, from its beginning."""


def decode(record: Record) -> ControlChanged:
    """Return the change in *record*; raises `InvalidRecordError` where it is none or cannot be projected."""
    event = cast("ControlChanged", decode_event(record))
    try:
        project(event, version=record.offset)
    except UNREADABLE as error:
        raise InvalidRecordError(f"{type(error).__name__}: {error}") from error
    return event


class Materialiser:
    """
    Handles batches of changes and keeps its own progress next to their effect.

    *caught_up* is set once everything is applied that was in the log when this process began to read it; never in a process
    that does not read it.

    A log that does not continue where the read model stopped was born again, or the read model was lost: then everything is
    applied again as a new log, which ends in the state that the log says.
    """

    def __init__(self, read_model: Materialisation, metrics: RouterMetrics, *, new_log_id: Callable[[], str]) -> None:
        self._read_model = read_model
        self._metrics = metrics
        self._new_log_id = new_log_id
        self._log = ""
        self._source: Source | None = None
        self._partition = 0
        self._next = 0
        self._end_at_start = 0
        self.caught_up = asyncio.Event()

    async def resume(self, source: Source, partitions: frozenset[int]) -> None:
        """Seek to where the read model stands in the log, or to the beginning."""
        for partition in partitions:
            (topic,) = source.topics
            place = await self._read_model.resume_point()
            if place is None or not await self._continues(source, topic, partition, place):
                begin = (await source.beginning_offsets(partition))[topic]
                place = Place(log=self._new_log_id(), offset=begin)
                await self._read_model.keep_resume_point(place, last_event_id=None)
                self._metrics.rebuilds.inc()
                log.info("read_model.rebuilding", log=place.log, from_offset=begin)
            self._log, self._source, self._partition = place.log, source, partition
            self._end_at_start = (await source.end_offsets(partition))[topic]
            self._stand_at(place.offset)
            source.seek(topic, partition, place.offset)

    async def handle(self, batch: Batch[ControlChanged]) -> None:
        """Apply the newest change of each entity in *batch*."""
        kept = await self._read_model.resume_point()
        if kept is None or kept.log != self._log:
            raise ReadModelLostError("the resume point is gone")
        for change, offset in _newest(batch):
            await self._read_model.apply(change, Place(log=self._log, offset=offset))
            self._metrics.applied.labels(kind=change.kind).inc()
            log.info("control.applied", tenant=change.tenant, kind=change.kind, entity=change.entity_id, offset=offset)

    async def check(self) -> None:
        """Raise `ReadModelLostError` or `LogRebornError` where what is being read or written is not what it was."""
        if self._source is None:
            return
        if await self._read_model.resume_point() is None:
            raise ReadModelLostError("the resume point is gone")
        # The place is taken first: the end of a log that lives on can only be later.
        place = self._next
        (end,) = (await self._source.end_offsets(self._partition)).values()
        if end < place:
            raise LogRebornError(f"the log ends at {end}, {place} was next")

    async def done(self, _source: Source, batch: Batch[Any]) -> None:
        """Remember that *batch* is applied."""
        ((_, next_offset),) = batch.next_offsets.items()
        last = batch.events[-1].event_id if batch.events else None
        await self._read_model.keep_resume_point(Place(log=self._log, offset=next_offset), last_event_id=last)
        self._stand_at(next_offset)

    def _stand_at(self, offset: int) -> None:
        self._next = offset
        self._metrics.next_offset.set(offset)
        if offset >= self._end_at_start:
            self.caught_up.set()

    async def _continues(self, source: Source, topic: str, partition: int, place: Place) -> bool:
        if (await source.end_offsets(partition))[topic] < place.offset:
            return False
        last_event_id = await self._read_model.last_event_id()
        record = await source.read_one(topic, partition, place.offset - 1) if place.offset else None
        return record is not None and _event_id(record) == last_event_id


def _newest(batch: Batch[ControlChanged]) -> list[tuple[ControlChanged, int]]:
    """Return the last change of each entity with its offset, so that a rebuild does not live through the whole past."""
    newest: dict[Ref, tuple[ControlChanged, int]] = {}
    for change, record in zip(batch.events, batch.records, strict=True):
        newest[ref_of(change)] = (change, record.offset)
    return list(newest.values())


def _event_id(record: Record) -> str | None:
    try:
        return decode(record).event_id
    except InvalidRecordError:
        return None
