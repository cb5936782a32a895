"""Real brokers behave as the suite says."""

import asyncio

import pytest

from libs.kafka.batches import BatchLimits
from tests.integration.libs.kafka.behaviour import BrokerBehaviour
from tests.integration.libs.kafka.worlds import Collector, KafkaWorld, consuming, eventually, message


@pytest.fixture
async def world(backend):
    built = KafkaWorld(backend)
    yield built
    await built.sender.close()


class TestDefaultKafka(BrokerBehaviour):
    """The shared suite on whatever Kafka tests run on by default: the embedded broker, where nothing else is found."""

    @pytest.fixture
    def backend(self, kafka):
        return kafka


class TestApacheKafka(BrokerBehaviour):
    """The shared suite on real Apache Kafka."""

    @pytest.fixture
    def backend(self, apache_kafka):
        return apache_kafka


class Reluctant(Collector):
    """A handler that waits to be let go."""

    def __init__(self) -> None:
        super().__init__()
        self.go = asyncio.Event()
        self.reached = asyncio.Event()

    async def handle(self, batch) -> None:
        self.reached.set()
        await self.go.wait()
        await super().handle(batch)


@pytest.mark.parametrize("name", ["kafka", "apache_kafka"])
async def test_lag_is_what_was_not_yet_read(request, name):
    world = KafkaWorld(request.getfixturevalue(name))
    topic = world.topic("requests")
    await world.create(topic)
    await world.sender.send([message(topic, "k", f"{number}") for number in range(20)])
    source, handler = world.source(topic, group="lag"), Reluctant()
    async with consuming(world, source, handler, limits=BatchLimits(max_records=5)):
        await asyncio.wait_for(handler.reached.wait(), 30)
        assert [15] == [lag for lag in source.lag().values() if lag]
        handler.go.set()
        await eventually(lambda: len(handler.records) == 20)
        assert not any(source.lag().values())
    await world.sender.close()
