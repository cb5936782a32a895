"""Two truths agree: the statistics streamed into Redis, and one query over ClickHouse; either is rebuilt from the log."""

import asyncio

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from libs.contracts.topics import WEIGHTS
from libs.kafka.batches import BatchLimits
from libs.kafka.consumer import run
from libs.kafka.dead_letters import DeadLetterTopics
from libs.kafka.memory import MemoryBroker, MemorySender, MemorySource
from services.aggregator import rebuilding
from services.aggregator.adapters.redis_weights import RedisWeights
from services.aggregator.consumer import decode
from services.aggregator.domain.change import Change
from services.aggregator.domain.places import Place
from services.aggregator.metrics import SinkMetrics
from services.aggregator.ports import Step
from services.aggregator.rebuilding import OwnersAliveError, Rebuild
from services.aggregator.sink import Sink
from tests.unit.services.aggregator.reading_suite import (
    PARTITIONS,
    TOPICS,
    Reader,
    drained,
    events,
    expected,
    put,
    reading,
    sums_are,
)
from tests.unit.services.aggregator.waiting import until
from tests.unit.services.aggregator.weights_suite import published
from tests.unit.services.aggregator.world import NOW_MS, feedback, request


class Filling:
    """A sink that reads all topics of *broker* into *log*."""

    def __init__(self, broker, log):
        self._broker = broker
        self.stop = asyncio.Event()
        self.sink = Sink(log, SinkMetrics(CollectorRegistry()), clock_ms=lambda: NOW_MS)

    async def read(self):
        topics = (*TOPICS, WEIGHTS.name)
        limits = BatchLimits(max_records=7, max_wait_s=0.0, poll_s=0.01, cut_every=4)
        source, letters = MemorySource(self._broker, topics, group="sink"), DeadLetterTopics(MemorySender(self._broker))
        await run(source, self.sink, letters, stop=self.stop, decode=decode, limits=limits)

    async def drain(self):
        self.stop.clear()
        task = asyncio.create_task(self.read())
        places = [(topic, p) for topic in (*TOPICS, WEIGHTS.name) for p in range(PARTITIONS)]
        committed = self._broker.committed
        await until(lambda: all(self._broker.end(*place) == committed.get(("sink", *place), 0) for place in places))
        self.stop.set()
        await task


@pytest.fixture
def broker():
    return MemoryBroker(partitions=PARTITIONS)


@pytest.fixture
def filling(broker, log):
    return Filling(broker, log)


@pytest.fixture
def rebuild(state, log, redis):
    """Runs a rebuild to its end and returns its progress."""
    tokens = iter(range(100))
    made = Rebuild(state, log, RedisWeights(redis), partitions=PARTITIONS, new_token=lambda: f"rebuild-{next(tokens)}")

    async def finished(*, force=False):
        return [progress async for progress in made.run(force=force)]

    return finished


async def streamed(broker, state, filling, made):
    put(broker, made)
    async with reading(Reader(broker, state)):
        await drained(broker, state)
    await filling.drain()


async def test_stream_and_log_agree_to_the_last_unit(broker, state, statistics, log, filling):
    await streamed(broker, state, filling, events())
    found = await rebuilding.verify(state, statistics, log, partitions=PARTITIONS)
    assert () == found.differences
    assert 20 < found.compared
    assert {} == await rebuilding.behind(state, log, partitions=PARTITIONS)


async def test_one_unit_too_much_is_found(broker, state, statistics, log, filling):
    await streamed(broker, state, filling, events())
    field = "s:session:20000:n:m1"
    change = Change(statistics={("acme", "chat"): {field: 1}})
    await state.claim(0, "me")
    await state.begin(0, "me", {"mistake": Place(next_offset=0)})
    await state.apply(0, "me", change, [Step(topic="mistake", start=0, next_offset=1)])
    found = await rebuilding.verify(state, statistics, log, partitions=PARTITIONS)
    (difference,) = found.differences
    assert ("acme", "chat", field, 1) == (
        difference.tenant,
        difference.task,
        difference.field,
        difference.streamed - difference.logged,
    )


async def test_rows_that_the_learner_has_yet_to_apply_do_not_disturb(broker, state, statistics, log, filling):
    await streamed(broker, state, filling, events()[:10])
    put(broker, [request(f"x{n}", session_id=f"x{n}") for n in range(9)])
    await filling.drain()
    assert () == (await rebuilding.verify(state, statistics, log, partitions=PARTITIONS)).differences


async def test_rows_that_clickhouse_has_yet_to_get_are_counted(broker, state, log, filling):
    await streamed(broker, state, filling, events()[:10])
    put(broker, [request("x1")])
    async with reading(Reader(broker, state)):
        await drained(broker, state)
    assert [1] == list((await rebuilding.behind(state, log, partitions=PARTITIONS)).values())


async def test_a_log_born_again_still_agrees(broker, state, statistics, log, filling):
    await streamed(broker, state, filling, events()[:15])
    for topic in TOPICS:
        broker.give_birth_again(topic)
    broker.committed.clear()
    put(broker, events()[15:])
    async with reading(Reader(broker, state)):
        await until(lambda: sums_are(statistics, events()))
        await drained(broker, state)
    await filling.drain()
    assert () == (await rebuilding.verify(state, statistics, log, partitions=PARTITIONS)).differences


async def test_a_lost_redis_is_rebuilt_and_learning_goes_on(broker, state, statistics, filling, rebuild):
    await streamed(broker, state, filling, events()[:25])
    for partition in range(PARTITIONS):
        await state.forget(partition)
    progress = await rebuild()
    assert expected(events()[:25]) == await statistics.sums()
    assert {0, 1, 2, 3} == {item.partition for item in progress}
    assert all(item.done <= item.total for item in progress)
    put(broker, events()[25:])
    async with reading(Reader(broker, state)) as reader:
        await drained(broker, state)
    assert expected(events()) == await statistics.sums()
    assert {0.0} == {reader.metrics.surprises.labels(finding)._value.get() for finding in ("reborn", "expired")}


async def test_a_rebuild_over_a_living_state_gives_the_same_state(broker, state, statistics, filling, rebuild):
    await streamed(broker, state, filling, events())
    await rebuild()
    assert expected(events()) == await statistics.sums()
    marks = [field for partition in range(PARTITIONS) for field in await state.marks(partition, "dirty")]
    assert {"acme chat"} == set(marks)


async def test_running_owners_are_not_overwritten_unless_told_to(broker, state, statistics, filling, rebuild):
    await streamed(broker, state, filling, events())
    async with reading(Reader(broker, state)) as owner:
        await until(lambda: len(owner.learner.owned) == PARTITIONS)
        await state.keep_alive(owner.learner.owned, 30)
        with pytest.raises(OwnersAliveError):
            await rebuild()
        await rebuild(force=True)
        put(broker, [feedback("after", session_id="s1", source="manual")])
        await until(lambda: owner.learner.lost)
    assert expected(events()) == await statistics.sums()


async def test_versions_go_on_where_the_log_of_weights_ends(broker, filling, redis, rebuild):
    for version in (1, 2, 3):
        broker.put(WEIGHTS.name, b"acme", msgspec.json.encode(published(version)))
    await filling.drain()
    await rebuild()
    weights = RedisWeights(redis)
    assert published(3) == (await weights.read("acme")).weights
    await rebuild()
    assert 3 == (await weights.read("acme")).weights.version
