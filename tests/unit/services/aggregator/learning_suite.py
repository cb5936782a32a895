"""What every implementation of `LearningState` and `Statistics` does; subclasses bring a `state` and a `statistics`."""

import pytest

from services.aggregator.domain.folding import Known, fold
from services.aggregator.domain.places import Fingerprint, Place
from services.aggregator.learner import touched
from services.aggregator.ports import LostOwnershipError, OffsetsMovedError, Step
from tests.unit.services.aggregator.world import feedback, request

PRINT = Fingerprint(offset=1, timestamp_ms=7, crc=42)


def step(start, next_offset, last=None, topic="requests"):
    return Step(topic=topic, start=start, next_offset=next_offset, last=last)


async def apply(state, events, steps, *, partition=0):
    known = await state.load(partition, touched(events))
    return await state.apply(partition, "me", fold(events, known), steps)


class LearningSuite:
    """Behaviour of a partition's state."""

    @pytest.fixture
    async def begun(self, state):
        assert {} == await state.claim(0, "me")
        await state.begin(0, "me", {"requests": Place(next_offset=0)})
        return state

    async def test_a_batch_is_there_with_its_places(self, begun, statistics):
        assert await apply(begun, [request(), feedback()], [step(0, 2, PRINT)])
        found = await statistics.of_tenant("acme", ["chat", "unheard-of"])
        assert (1, 1) == (found.requests, found.rated_sessions)
        assert 1 == len(found.tasks["chat"].evidence)
        assert {} == found.tasks["unheard-of"].evidence
        assert {("acme", "chat")} == await statistics.index()
        assert {"requests": Place(next_offset=2, last=PRINT)} == await begun.claim(0, "you")

    async def test_a_session_is_loaded_as_it_was_stored(self, begun):
        events = [request("r1"), request("r2", status="blocked"), feedback(score=0.123456789)]
        await apply(begun, events, [step(0, 3)])
        known = (await begun.load(0, {("acme", "s1"): ["r1", "r2", "r3"]}))["acme", "s1"]
        assert {"r1"} == known.record.hops.keys()
        assert 0.123456789 == known.record.ratings["session:"].score
        assert {"r2"} == known.seen
        assert Known() == (await begun.load(0, {("acme", "s2"): []}))["acme", "s2"]

    async def test_the_same_batch_is_applied_once(self, begun, statistics):
        assert await apply(begun, [request()], [step(0, 1)])
        assert not await apply(begun, [request()], [step(0, 1)])
        assert 1 == (await statistics.of_tenant("acme", [])).requests

    async def test_an_earlier_owner_is_refused_and_changes_nothing(self, begun, statistics):
        await begun.claim(0, "you")
        with pytest.raises(LostOwnershipError):
            await apply(begun, [request()], [step(0, 1)])
        with pytest.raises(LostOwnershipError):
            await begun.begin(0, "me", {"requests": Place(next_offset=5)})
        assert 0 == (await statistics.of_tenant("acme", [])).requests
        assert {"requests": Place(next_offset=0)} == await begun.claim(0, "me")
        assert (True, False) == (await begun.is_owned(0, "me"), await begun.is_owned(0, "you"))

    async def test_a_batch_that_does_not_follow_is_refused_and_changes_nothing(self, begun, statistics):
        for steps in ([step(3, 4)], [step(0, 1), step(0, 1, topic="feedback")]):
            with pytest.raises(OffsetsMovedError):
                await apply(begun, [request()], steps)
        assert 0 == (await statistics.of_tenant("acme", [])).requests

    async def test_a_batch_without_a_good_record_moves_on_and_keeps_the_last_fingerprint(self, begun):
        await apply(begun, [request()], [step(0, 1, PRINT)])
        await apply(begun, [], [step(1, 4)])
        assert {"requests": Place(next_offset=4, last=PRINT)} == await begun.claim(0, "me")

    async def test_beginning_again_replaces_the_place_and_the_epoch_stays_from_then_on(self, begun):
        await apply(begun, [request()], [step(0, 1, PRINT)])
        await begun.begin(0, "me", {"requests": Place(next_offset=0, epoch_ms=77)})
        assert {"requests": Place(next_offset=0, epoch_ms=77)} == await begun.places(0)
        await apply(begun, [request()], [step(0, 1, PRINT)])
        assert {"requests": Place(next_offset=1, last=PRINT, epoch_ms=77)} == await begun.claim(0, "me")

    async def test_a_mark_renewed_since_it_was_read_stays(self, begun):
        await apply(begun, [request(), feedback()], [step(0, 2)])
        read = await begun.marks(0, "dirty")
        assert {"acme chat"} == read.keys()
        await apply(begun, [request("r2", model="m2")], [step(2, 3)])
        await begun.settle(0, "dirty", read)
        assert {"acme chat"} == (await begun.marks(0, "dirty")).keys()
        await begun.settle(0, "dirty", await begun.marks(0, "dirty"))
        assert {} == await begun.marks(0, "dirty")

    async def test_a_mark_that_went_and_came_back_is_another_one(self, begun):
        await apply(begun, [request(), feedback()], [step(0, 2)])
        read = await begun.marks(0, "dirty")
        await begun.settle(0, "dirty", read)
        await apply(begun, [request("r2", model="m2")], [step(2, 3)])
        await begun.settle(0, "dirty", read)
        assert {"acme chat"} == (await begun.marks(0, "dirty")).keys()

    async def test_requests_mark_what_they_touch_and_ratings_what_they_change(self, begun):
        await apply(begun, [request(), request("r9", session_id="s9", task="coding"), feedback()], [step(0, 3)])
        assert {"acme ", "acme chat", "acme coding"} == (await begun.marks(0, "stale")).keys()
        assert {"acme chat"} == (await begun.marks(0, "dirty")).keys()
        assert {"chat"} == (await begun.marks(0, "pool")).keys()

    async def test_a_large_batch_passes(self, begun, statistics):
        events = [request(f"r{n}", session_id=f"s{n % 300}", model=f"m{n % 40}") for n in range(1500)]
        events += [feedback(f"f{n}", session_id=f"s{n}") for n in range(300)]
        assert await apply(begun, events, [step(0, 1800)])
        found = await statistics.of_tenant("acme", ["chat"])
        assert (1500, 300) == (found.requests, found.rated_sessions)
        assert 300_000_000 == sum(item.n for item in found.tasks["chat"].evidence.values())


async def nothing_is_left_to_change(state, log):
    """Apply *log*, and assert that what was stored knows all of it."""
    await state.claim(1, "me")
    await state.forget(1)
    await state.begin(1, "me", {"requests": Place(next_offset=0)})
    await apply(state, log, [step(0, 1)], partition=1)
    change = fold(log, await state.load(1, touched(log)))
    assert ({}, {}, {}) == (change.sessions, change.statistics, change.counters)
    assert len(log) == change.duplicates
