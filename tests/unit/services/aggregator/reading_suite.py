"""What reading a log comes to, on every implementation of the learner's state; subclasses bring `state` and `statistics`."""

import asyncio
from contextlib import asynccontextmanager
from functools import partial
from itertools import count

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from libs.contracts.events import RequestCompleted, session_key
from libs.contracts.topics import FEEDBACK, REQUESTS
from libs.kafka.batches import BatchLimits
from libs.kafka.consumer import ExternalOffsets, run
from libs.kafka.dead_letters import DeadLetterTopics
from libs.kafka.memory import MemoryBroker, MemorySender, MemorySource
from services.aggregator.consumer import decode_learned
from services.aggregator.domain.change import Change
from services.aggregator.domain.folding import fold
from services.aggregator.learner import Learner
from services.aggregator.metrics import LearnerMetrics
from tests.unit.services.aggregator.waiting import until
from tests.unit.services.aggregator.world import NOW_MS, feedback, request

TOPICS = (REQUESTS.name, FEEDBACK.name)
PARTITIONS = 4
CALLS = ("claim", "begin", "load", "apply")


class CrashError(Exception):
    """The process died here."""


class Crashing:
    """A state whose *nth* call fails: before it has any effect, or after it, when the answer is lost."""

    def __init__(self, state, *, nth, after):
        self._state, self._left, self._after = state, nth, after

    def __getattr__(self, name):
        method = getattr(self._state, name)
        return partial(self._call, method) if name in CALLS else method

    async def _call(self, method, *arguments):
        self._left -= 1
        if self._left == 0 and not self._after:
            raise CrashError
        answer = await method(*arguments)
        if self._left == 0:
            raise CrashError
        return answer


class Listener:
    def __init__(self):
        self.changes: list[Change] = []

    def applied(self, partition, change):
        self.changes.append(change)


class Reader:
    """One process that learns."""

    tokens = count()

    def __init__(self, broker, state, *, group="learn"):
        self.metrics = LearnerMetrics(CollectorRegistry())
        self.listener = Listener()
        self.learner = Learner(
            state,
            self.listener,
            self.metrics,
            new_token=lambda: f"token-{next(Reader.tokens)}",
            clock_ms=lambda: NOW_MS,
        )
        self.source = MemorySource(broker, TOPICS, group=group)
        self.stop = asyncio.Event()
        self.is_dead = False
        self._broker = broker

    async def read(self):
        try:
            await self._run()
        except CrashError:
            self.is_dead = True
            raise

    async def _run(self):
        await run(
            self.source,
            self.learner,
            DeadLetterTopics(MemorySender(self._broker)),
            stop=self.stop,
            decode=decode_learned,
            progress=ExternalOffsets(partial(self.learner.positions, self.source)),
            limits=BatchLimits(max_records=5, max_wait_s=0.0, poll_s=0.01),
            ownership=self.learner,
        )


@asynccontextmanager
async def reading(reader):
    task = asyncio.create_task(reader.read())
    try:
        yield reader
    finally:
        reader.stop.set()
        await task


def events():
    """A log with every kind of trouble: repeated, late, early and inferred."""
    made = []
    for number in range(30):
        session = f"s{number % 7}"
        made.append(request(f"r{number}", session_id=session, model=f"m{number % 3}", session_inferred=number % 7 == 6))
        if number % 4 == 0:
            made.append(feedback(f"f{number}", session_id=session, score=number / 30, received_at_ms=NOW_MS - number))
    return [*made, *made[3:8], feedback("early", session_id="s99"), request("late", session_id="s99", status="blocked")]


def put(broker, log):
    for event in log:
        topic = REQUESTS.name if isinstance(event, RequestCompleted) else FEEDBACK.name
        broker.put(topic, session_key(event.tenant, event.session_id), msgspec.json.encode(event))


def expected(log):
    change = fold(log, {})
    sums = {**change.statistics, **{(tenant, ""): gains for tenant, gains in change.counters.items()}}
    return {key: fields for key, fields in sums.items() if fields}


async def sums_are(statistics, log):
    return expected(log) == await statistics.sums()


async def is_drained(broker, state):
    for partition in range(PARTITIONS):
        places = await state.places(partition)
        for topic in TOPICS:
            if broker.end(topic, partition) > (places[topic].next_offset if topic in places else 0):
                return False
    return True


async def drained(broker, state):
    await until(lambda: is_drained(broker, state))


class ReadingSuite:
    """Behaviour of readers."""

    @pytest.fixture
    def broker(self):
        return MemoryBroker(partitions=PARTITIONS)

    async def test_a_log_comes_to_the_sums_of_its_sessions(self, broker, state, statistics):
        log = events()
        put(broker, log)
        async with reading(Reader(broker, state)) as reader:
            await drained(broker, state)
        assert expected(log) == await statistics.sums()
        assert len(log) == reader.metrics.applied._value.get()

    async def test_a_crash_at_any_step_loses_and_repeats_nothing(self, broker, state, statistics):
        log = events()
        put(broker, log)
        crashes = 0
        for nth, after in ((n, a) for n in range(1, 99) for a in (False, True)):
            for partition in range(PARTITIONS):
                await state.forget(partition)
            if not await self._crashed(broker, Crashing(state, nth=nth, after=after)):
                break
            crashes += 1
            async with reading(Reader(broker, state)):
                await drained(broker, state)
            assert expected(log) == await statistics.sums(), (nth, after)
        assert 40 < crashes

    async def _crashed(self, broker, state):
        reader = Reader(broker, state)
        try:
            async with reading(reader):
                await self._drained_or_dead(broker, state, reader)
        except CrashError:
            return True
        return False

    async def _drained_or_dead(self, broker, state, reader):
        async def settled():
            return reader.is_dead or await is_drained(broker, state)

        await until(settled)

    async def test_several_readers_come_to_the_same_as_one(self, broker, state, statistics):
        log = events()
        put(broker, log[:20])
        async with reading(Reader(broker, state)):
            await drained(broker, state)
            async with reading(Reader(broker, state)), reading(Reader(broker, state)):
                put(broker, log[20:30])
                await drained(broker, state)
            put(broker, log[30:])
            await drained(broker, state)
        assert expected(log) == await statistics.sums()

    async def test_of_two_that_claim_the_same_partitions_the_first_is_stopped(self, broker, state, statistics):
        log = events()
        async with reading(Reader(broker, state, group="cut-off")) as zombie:
            await until(lambda: len(zombie.learner.owned) == PARTITIONS)
            async with reading(Reader(broker, state)) as owner:
                await until(lambda: len(owner.learner.owned) == PARTITIONS)
                put(broker, log)
                await drained(broker, state)
                written = {record.partition for topic in TOPICS for record in broker.records(topic)}
                await until(lambda: written == zombie.learner.lost)
                assert "claimed by another process" in str(await zombie.learner.check())
                assert await owner.learner.check() is None
        assert expected(log) == await statistics.sums()
        assert [] == zombie.listener.changes
        assert len(written) == zombie.metrics.refused.labels("owner")._value.get()

    async def test_a_log_born_again_is_begun_at_its_beginning(self, broker, state, statistics):
        before, after = events()[:12], events()[12:]
        put(broker, before)
        async with reading(Reader(broker, state)):
            await drained(broker, state)
        for topic in TOPICS:
            broker.give_birth_again(topic)
        put(broker, after)
        async with reading(Reader(broker, state)) as reader:
            await until(lambda: sums_are(statistics, events()))
        assert 0 < reader.metrics.surprises.labels("reborn")._value.get()
        assert NOW_MS in {place.epoch_ms for p in range(PARTITIONS) for place in (await state.places(p)).values()}

    async def test_a_log_born_again_with_as_many_records_is_recognised_by_the_last_of_them(
        self, broker, state, statistics
    ):
        one, other = request("r1"), request("r2", model="m2")
        put(broker, [one])
        async with reading(Reader(broker, state)):
            await drained(broker, state)
        broker.give_birth_again(REQUESTS.name)
        put(broker, [other])
        async with reading(Reader(broker, state)) as reader:
            await until(lambda: sums_are(statistics, [one, other]))
        assert 1 == reader.metrics.surprises.labels("reborn")._value.get()

    async def test_records_that_retention_took_are_counted(self, broker, state):
        put(broker, [request("r1")])
        async with reading(Reader(broker, state)):
            await drained(broker, state)
        put(broker, [request(f"r{n}") for n in range(2, 9)])
        (partition,) = {record.partition for record in broker.records(REQUESTS.name)}
        broker.delete_before(REQUESTS.name, partition, 5)
        async with reading(Reader(broker, state)) as reader:
            await drained(broker, state)
        assert 1 == reader.metrics.surprises.labels("expired")._value.get()

    async def test_a_broken_record_is_put_aside_and_the_log_goes_on(self, broker, state, statistics):
        key = session_key("acme", "s1")
        for broken in (b"", b"{", b"{}", b'{"type":"feedback.received"}', msgspec.json.encode(feedback())):
            broker.put(REQUESTS.name, key, broken)
        broker.put(FEEDBACK.name, key, msgspec.json.encode(feedback(score=1.5)))
        put(broker, [request()])
        async with reading(Reader(broker, state)):
            await drained(broker, state)
        assert expected([request()]) == await statistics.sums()
        assert (5, 1) == (len(broker.records(REQUESTS.dlq)), len(broker.records(FEEDBACK.dlq)))
