"""The reader of requests and feedback: owns partitions, folds batches into their state, exactly once in effect."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import structlog

from libs.contracts.events import RequestCompleted
from libs.kafka.batches import Batch
from libs.kafka.ports import Source
from libs.kafka.record import Record
from services.aggregator.domain import places
from services.aggregator.domain.change import Change, SessionKey
from services.aggregator.domain.folding import LearnedEvent, fold, session_of
from services.aggregator.domain.places import Fingerprint, LogBounds, Place, Resumption
from services.aggregator.metrics import LearnerMetrics
from services.aggregator.ports import LearningState, LostOwnershipError, OffsetsMovedError, Step

log = structlog.get_logger(__name__)


class ChangeListener(Protocol):
    """Told what was applied, so that new evidence is published without waiting for a poll."""

    def applied(self, partition: int, change: Change) -> None:
        """Take note of *change*; must not block."""


class Learner:
    """
    Handler, ownership and positions of the consumer loop over `requests` and `feedback`.

    Every assignment gets a fresh token from *new_token*: from then on a script of an earlier owner is refused. A partition
    that another process has claimed is left alone until it is assigned again. `handle` raises `OffsetsMovedError` when the
    state was put back or forward under it: the reader starts again from what is stored.
    """

    def __init__(
        self,
        state: LearningState,
        listener: ChangeListener,
        metrics: LearnerMetrics,
        *,
        new_token: Callable[[], str],
        clock_ms: Callable[[], int],
    ) -> None:
        self._state = state
        self._listener = listener
        self._metrics = metrics
        self._new_token = new_token
        self._clock_ms = clock_ms
        self._tokens: dict[int, str] = {}
        self._places: dict[int, dict[str, Place]] = {}
        self.lost: set[int] = set()

    @property
    def owned(self) -> tuple[int, ...]:
        """Return the partitions that this process may write."""
        return tuple(sorted(self._tokens.keys() - self.lost))

    async def on_assigned(self, partitions: frozenset[int]) -> None:
        """Claim *partitions*."""
        for partition in sorted(partitions):
            token = self._new_token()
            self._places[partition] = await self._state.claim(partition, token)
            self._tokens[partition] = token
            self.lost.discard(partition)

    async def on_revoked(self, partitions: frozenset[int]) -> None:
        """Forget *partitions*; their state needs no goodbye."""
        for partition in partitions:
            self._tokens.pop(partition, None)
            self._places.pop(partition, None)
            self.lost.discard(partition)

    async def positions(self, source: Source, partition: int, topics: tuple[str, ...]) -> Mapping[str, int]:
        """Return where each topic of *source* is resumed; what does not go on where it stood is written down first."""
        known = self._places[partition]
        beginnings, ends = await source.beginning_offsets(partition), await source.end_offsets(partition)
        bounds = {topic: LogBounds(beginning=beginnings[topic], end=ends[topic]) for topic in topics}
        found = {
            topic: await self._resume(source, topic, partition, known.get(topic), bounds[topic]) for topic in topics
        }
        begun = {
            topic: Place(next_offset=item.offset, epoch_ms=self._epoch_ms(item, known.get(topic)))
            for topic, item in found.items()
            if item.finding != "resumed"
        }
        if begun:
            await self._state.begin(partition, self._tokens[partition], begun)
        return {topic: item.offset for topic, item in found.items()}

    async def handle(self, batch: Batch[LearnedEvent]) -> None:
        """Apply one batch; a batch of a lost partition is dropped, as its new owner reads the same records."""
        token = self._tokens.get(batch.partition)
        if token is None or batch.partition in self.lost:
            return
        try:
            change = await self._apply(batch, token)
        except OffsetsMovedError:
            self._metrics.refused.labels("offsets").inc()
            raise
        except LostOwnershipError:
            self.lost.add(batch.partition)
            self._metrics.refused.labels("owner").inc()
            log.warning("learner.partition_lost", partition=batch.partition)
            return
        if change is not None:
            self._metrics.note(change, events=len(batch.events))
            self._listener.applied(batch.partition, change)

    async def check(self) -> str | None:
        """Answer a health check: a note while another process owns what was assigned to this one."""
        return f"partitions {sorted(self.lost)} were claimed by another process" if self.lost else None

    async def _apply(self, batch: Batch[LearnedEvent], token: str) -> Change | None:
        known = await self._state.load(batch.partition, touched(batch.events))
        change = fold(batch.events, known)
        applied = await self._state.apply(batch.partition, token, change, _steps(batch))
        return change if applied else None

    def _epoch_ms(self, found: Resumption, place: Place | None) -> int:
        if found.finding == "reborn":
            return self._clock_ms()
        return place.epoch_ms if place else 0

    async def _resume(
        self, source: Source, topic: str, partition: int, place: Place | None, bounds: LogBounds
    ) -> Resumption:
        last = place.last if place else None
        record = await source.read_one(topic, partition, last.offset) if last else None
        found = places.resume(place, bounds, fingerprint_of(record) if record else None)
        if found.finding in ("reborn", "expired"):
            self._metrics.surprises.labels(found.finding).inc()
            log.error(
                "log.not_as_left",
                finding=found.finding,
                topic=topic,
                partition=partition,
                stored=place.next_offset if place else None,
                resumed=found.offset,
                lost=found.lost,
            )
        return found


def touched(events: Sequence[LearnedEvent]) -> dict[SessionKey, list[str]]:
    """Return the sessions of *events*, each with the ids of its requests among them."""
    found: dict[SessionKey, list[str]] = {}
    for event in events:
        request_ids = found.setdefault(session_of(event), [])
        if isinstance(event, RequestCompleted):
            request_ids.append(event.request_id)
    return found


def fingerprint_of(record: Record) -> Fingerprint:
    """Return the fingerprint of *record*."""
    return places.fingerprint(
        offset=record.offset, timestamp_ms=record.timestamp_ms, key=record.key, value=record.value
    )


def _steps(batch: Batch[LearnedEvent]) -> list[Step]:
    last = {record.topic: record for record in batch.records}
    return [
        Step(
            topic=topic,
            start=batch.start_offsets[topic],
            next_offset=next_offset,
            last=fingerprint_of(last[topic]) if topic in last else None,
        )
        for topic, next_offset in batch.next_offsets.items()
    ]
