"""A reader that stands beyond the end of a log is told so, and only then."""

import asyncio

import pytest

from libs.kafka.consumer import as_is, run
from libs.kafka.dead_letters import DeadLetterTopics
from libs.kafka.memory import MemoryBroker, MemorySender, MemorySource
from services.aggregator.log_watch import LogRebornError, LogWatch
from tests.unit.services.aggregator.waiting import until


class Counting:
    def __init__(self):
        self.records = 0

    async def handle(self, batch):
        self.records += len(batch.records)


@pytest.fixture
def broker():
    broker = MemoryBroker(partitions=2)
    for number in range(4):
        broker.put("requests", f"k{number}".encode(), b"{}")
    return broker


def guarded(broker, handler, stop):
    source = MemorySource(broker, ["requests"], group="g")
    watch = LogWatch(source, interval_s=0.01)
    letters = DeadLetterTopics(MemorySender(broker))
    return watch, watch.guard(run(source, handler, letters, stop=stop, decode=as_is, ownership=watch))


async def test_a_log_that_is_shorter_than_the_place_in_it_ends_the_reader(broker):
    handler = Counting()
    _, reading = guarded(broker, handler, asyncio.Event())
    task = asyncio.create_task(reading)
    await until(lambda: handler.records == 4)
    broker.give_birth_again("requests")
    with pytest.raises(LogRebornError, match="requests/"):
        await asyncio.wait_for(task, 5)


async def test_a_log_that_lives_on_is_read_on_until_the_stop(broker):
    handler, stop = Counting(), asyncio.Event()
    watch, reading = guarded(broker, handler, stop)
    task = asyncio.create_task(reading)
    await until(lambda: handler.records == 4)
    await watch.look()
    broker.put("requests", b"k9", b"{}")
    await until(lambda: handler.records == 5)
    stop.set()
    await asyncio.wait_for(task, 5)


async def test_what_ends_the_reader_rises(broker):
    class Failing:
        async def handle(self, batch):
            raise ValueError("broken")

    _, reading = guarded(broker, Failing(), asyncio.Event())
    with pytest.raises(ValueError, match="broken"):
        await reading
