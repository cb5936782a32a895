"""Weights follow the statistics, version by version, whoever else publishes and wherever the process dies."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.contracts.state import Changed
from libs.kafka.ports import PublishError
from services.aggregator.domain.publication import EVERY_TASK
from services.aggregator.publisher import ATTEMPTS, ContendedError
from tests.unit.services.aggregator.fakes import FakeLearning, FakeWeights
from tests.unit.services.aggregator.publishing import KNOWLEDGE, World
from tests.unit.services.aggregator.world import feedback, request


class Interrupted(FakeWeights):
    """Somebody else publishes between the read and the replacement, *times* times."""

    def __init__(self, times):
        super().__init__()
        self.interrupt = None
        self._left = times

    async def replace(self, scope, read, new):
        if self._left:
            self._left -= 1
            await self.interrupt()
        return await super().replace(scope, read, new)


class Refusing:
    """A journal that is full."""

    def publish(self, topic, key, value):
        raise AssertionError(f"weights are published durably, not like {topic}")

    async def publish_durably(self, topic, key, value):
        raise PublishError("full")


async def test_the_first_weights_hold_every_task_and_every_model():
    world = World()
    await world.apply(request())
    await world.publisher.publish_tenant("acme", ["chat"], KNOWLEDGE)
    weights = await world.read()
    assert (1, "acme", "day0", 1, 0) == (
        weights.version,
        weights.scope,
        weights.phase,
        weights.requests,
        weights.rated_sessions,
    )
    assert set(EVERY_TASK) == weights.tasks.keys()
    assert all({"m1", "m2"} == models.keys() for models in weights.tasks.values())


async def test_a_rating_moves_the_task_it_is_about_and_no_other():
    world = World()
    await world.apply(request())
    await world.publisher.publish_tenant("acme", ["chat"], KNOWLEDGE)
    before = await world.read()
    await world.apply(feedback(score=0.0))
    await world.publisher.publish_tenant("acme", ["chat"], KNOWLEDGE)
    after = await world.read()
    assert 2 == after.version
    assert 1 == after.rated_sessions
    assert after.tasks["chat"]["m1"].session.mean < before.tasks["chat"]["m1"].benchmark.mean
    assert {task: item for task, item in before.tasks.items() if task != "chat"} == {
        task: item for task, item in after.tasks.items() if task != "chat"
    }


async def test_phases_follow_the_published_thresholds():
    world = World()
    seen = []
    for number in range(11):
        await world.apply(
            request(f"r{number}", session_id=f"s{number}"), feedback(f"f{number}", session_id=f"s{number}")
        )
        seen.append((await world.publisher.publish_tenant("acme", ["chat"], KNOWLEDGE)).phase)
    assert ["day0"] * 9 + ["nps"] * 2 == seen
    other = World()
    await other.apply(*(request(f"r{number}", session_id=f"s{number}") for number in range(10)))
    assert "auto" == (await other.publisher.publish_tenant("acme", [], KNOWLEDGE)).phase


async def test_gateways_are_told_and_the_log_has_every_version():
    world = World()
    for number in range(3):
        await world.apply(request(f"r{number}"))
        await world.publisher.publish_tenant("acme", ["chat"], KNOWLEDGE)
    await world.publisher.publish_tenant("acme", ["chat"], KNOWLEDGE)
    assert [Changed(kind="weights", tenant="acme", version=n) for n in (1, 2, 3)] == world.weights.announced
    assert [1, 2, 3] == [weights.version for weights in world.logged()]
    assert await world.read() == world.logged()[-1]


async def test_who_is_overtaken_reads_the_statistics_again():
    weights = Interrupted(times=2)
    world = World(weights=weights)
    other = world.new_publisher()

    async def overtake():
        await world.apply(request(f"r{len(weights.announced)}"))
        await other.publish_tenant("acme", ["chat"], KNOWLEDGE)

    weights.interrupt = overtake
    await world.publisher.publish_tenant("acme", ["chat"], KNOWLEDGE)
    found = await world.read()
    assert (await world.state.of_tenant("acme", [])).requests == found.requests
    assert 1 <= world.metrics.conflicts._value.get()
    assert list(range(1, found.version + 1)) == sorted(item.version for item in world.logged())


async def test_endless_contention_is_given_up():
    weights = Interrupted(times=ATTEMPTS)
    world = World(weights=weights)

    async def overtake():
        weights.stored["acme"] = weights.stored.get("acme", b"") + b" "

    weights.stored["acme"] = (await _some_weights()).encode()
    weights.interrupt = overtake
    await world.apply(request())
    with pytest.raises(ContendedError):
        await world.publisher.publish_tenant("acme", ["chat"], KNOWLEDGE)


async def test_weights_that_a_full_journal_refused_are_logged_with_the_next():
    world = World()
    world.events, events = Refusing(), world.events
    await world.new_publisher().publish_tenant("acme", ["chat"], KNOWLEDGE)
    assert 1 == (await world.read()).version
    assert [] == world.logged()
    assert 1 == world.metrics.unlogged._value.get()
    world.events = events
    await world.apply(request())
    await world.new_publisher().publish_tenant("acme", ["chat"], KNOWLEDGE)
    assert [1, 2] == [weights.version for weights in world.logged()]


async def test_what_a_dead_process_published_reaches_the_log_although_nothing_is_new():
    world = World()
    world.events, events = Refusing(), world.events
    await world.new_publisher().publish_tenant("acme", ["chat"], KNOWLEDGE)
    world.events = events
    await world.new_publisher().publish_tenant("acme", ["chat"], KNOWLEDGE)
    assert [1] == [weights.version for weights in world.logged()]


async def test_weights_too_large_for_the_log_are_live_and_block_nothing():
    world = World()
    world.max_event_bytes = 100
    await world.new_publisher().publish_tenant("acme", ["chat"], KNOWLEDGE)
    assert 1 == (await world.read()).version
    assert 1 == world.metrics.unlogged._value.get()
    assert [] == await world.weights.unsent("acme")


class Hesitant(FakeLearning):
    """Lets others run between any two steps."""

    async def of_tenant(self, tenant, tasks):
        await asyncio.sleep(0)
        found = await super().of_tenant(tenant, tasks)
        await asyncio.sleep(0)
        return found


@given(pauses=st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=4), min_size=2, max_size=4))
async def test_the_last_weights_contain_everything_that_was_applied_before_any_publication_began(pauses):
    world = World(state=Hesitant(1))
    numbers = iter(range(1_000))

    async def work(plan):
        publisher = world.new_publisher()
        for pause in plan:
            await world.apply(request(f"r{next(numbers)}"))
            for _ in range(pause):
                await asyncio.sleep(0)
            await publisher.publish_tenant("acme", ["chat"], KNOWLEDGE)

    await asyncio.gather(*map(work, pauses))
    assert (await world.state.of_tenant("acme", [])).requests == (await world.read()).requests


async def _some_weights():
    world = World()
    await world.publisher.publish_tenant("acme", [], KNOWLEDGE)
    return world.weights.stored["acme"].decode()
