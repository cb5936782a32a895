"""An event is handled well within a second of its publication."""

import asyncio
import statistics
import time

import pytest

from libs.kafka.publisher import JournaledPublisher
from libs.kafka.settings import JournalSettings
from tests.integration.libs.kafka.worlds import KafkaWorld, consuming, eventually

EVENTS = 40
# The design asks for 300 ms; a machine that runs other tests at the same time gets twice that.
MEDIAN_S = 0.6


class Timer:
    """Remembers how old each event was when it was handled."""

    def __init__(self) -> None:
        self.ages_s: list[float] = []

    async def handle(self, batch) -> None:
        now = time.monotonic()
        self.ages_s += [now - float(record.value) for record in batch.records]


@pytest.mark.parametrize("name", ["kafka", "apache_kafka"])
async def test_from_publication_to_handling(request, name, tmp_path, record_property):
    world = KafkaWorld(request.getfixturevalue(name))
    topic = world.topic("requests")
    await world.create(topic)
    publisher = JournaledPublisher(world.sender, JournalSettings(directory=tmp_path))
    timer = Timer()
    async with consuming(world, world.source(topic, group="latency"), timer):
        publisher.publish(topic, b"warm", str(time.monotonic()).encode())
        await eventually(lambda: timer.ages_s)
        timer.ages_s.clear()
        for number in range(EVENTS):
            publisher.publish(topic, b"k%d" % number, str(time.monotonic()).encode())
            await asyncio.sleep(0.02)
        await eventually(lambda: len(timer.ages_s) == EVENTS)
    await publisher.close()
    await world.sender.close()
    record_property("median_s", statistics.median(timer.ages_s))
    record_property("worst_s", max(timer.ages_s))
    assert statistics.median(timer.ages_s) < MEDIAN_S
