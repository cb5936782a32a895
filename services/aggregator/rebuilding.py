"""Rebuilding the learner's state from ClickHouse, and verifying the one against the other."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence

import msgspec

from libs.contracts.events import Event
from services.aggregator.domain.comparison import Difference, differences
from services.aggregator.domain.folding import LearnedEvent, fold
from services.aggregator.domain.places import Place
from services.aggregator.learner import touched
from services.aggregator.ports import EventLog, LearningState, LoggedEvent, Statistics, Step, Weights

ATTEMPTS = 20
REPLAY = "rebuild"  # Stands for a topic while the log is replayed, so that each chunk is applied exactly once.

_decoder: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)


class OwnersAliveError(Exception):
    """Running processes own partitions; what they hold in memory would be written over the rebuilt state."""


class MovingError(Exception):
    """The learner applied new events during every attempt at a comparison; try when it is quieter."""


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """How many sums were compared, and those that differ."""

    compared: int
    differences: tuple[Difference, ...]


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How far a rebuild has come."""

    partition: int
    done: int
    total: int


class Rebuild:
    """Replays the log through the learner's own code into an empty state; *partitions* is how many there are."""

    def __init__(
        self,
        state: LearningState,
        log: EventLog,
        weights: Weights,
        *,
        partitions: int,
        new_token: Callable[[], str],
    ) -> None:
        self._state = state
        self._log = log
        self._weights = weights
        self._partitions = range(partitions)
        self._new_token = new_token

    async def run(self, *, force: bool) -> AsyncIterator[Progress]:
        """
        Yield progress while rebuilding; raises `OwnersAliveError` unless *force*.

        Every partition is claimed first, so that an owner which is still running is refused. The places are read before the
        events: what arrives in between is read again by the learner, and known.
        """
        await self._refuse_owners(force=force)
        for partition in self._partitions:
            token = self._new_token()
            await self._state.claim(partition, token)
            await self._state.forget(partition)
            places = await self._log.places(partition)
            async for progress in self._replay(partition, token):
                yield progress
            await self._state.begin(partition, token, places)
        await self._restore_weights()

    async def _refuse_owners(self, *, force: bool) -> None:
        alive = [partition for partition in self._partitions if await self._state.is_alive(partition)]
        if alive and not force:
            raise OwnersAliveError(f"partitions {alive} have running owners")

    async def _replay(self, partition: int, token: str) -> AsyncIterator[Progress]:
        total, done = await self._log.count(partition), 0
        await self._state.begin(partition, token, {REPLAY: Place(next_offset=0)})
        yield Progress(partition=partition, done=0, total=total)
        async for logged in self._log.events(partition):
            events = _learned(logged)
            known = await self._state.load(partition, touched(events))
            step = Step(topic=REPLAY, start=done, next_offset=done + len(logged))
            await self._state.apply(partition, token, fold(events, known), [step])
            done += len(logged)
            yield Progress(partition=partition, done=done, total=total)

    async def _restore_weights(self) -> None:
        """Go on with the versions that decisions have recorded: a version names one snapshot for good."""
        for weights in await self._log.newest_weights():
            read = await self._weights.read(weights.scope)
            if read.weights is None or read.weights.version < weights.version:
                await self._weights.replace(weights.scope, read, weights)


async def verify(state: LearningState, statistics: Statistics, log: EventLog, *, partitions: int) -> Comparison:
    """
    Compare the streamed statistics with the log in ClickHouse, over what the learner has applied.

    A comparison is valid when the learner's places are the same before and after; raises `MovingError` after many that are
    not.
    """
    for _ in range(ATTEMPTS):
        before = await _places(state, partitions)
        streamed, logged = await statistics.sums(), await log.sums(before)
        if before == await _places(state, partitions):
            compared = sum(len(fields) for fields in streamed.values())
            return Comparison(compared=compared, differences=tuple(differences(streamed, logged)))
    raise MovingError


async def behind(state: LearningState, log: EventLog, *, partitions: int) -> dict[tuple[str, int], int]:
    """Return (topic, partition) → how many records the learner has applied that ClickHouse does not have yet."""
    missing = {}
    for partition, places in (await _places(state, partitions)).items():
        stored = await log.places(partition)
        for topic, place in places.items():
            start = stored[topic].next_offset if topic in stored else 0
            missing[topic, partition] = place.next_offset - start
    return {key: records for key, records in missing.items() if records > 0}


async def _places(state: LearningState, partitions: int) -> Mapping[int, Mapping[str, Place]]:
    found = {partition: await state.places(partition) for partition in range(partitions)}
    return {
        partition: {topic: place for topic, place in places.items() if topic != REPLAY}
        for partition, places in found.items()
    }


def _learned(logged: Sequence[LoggedEvent]) -> list[LearnedEvent]:
    decoded = (_decoder.decode(item.value) for item in logged)
    return [event for event in decoded if isinstance(event, LearnedEvent)]
