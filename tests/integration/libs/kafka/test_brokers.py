"""Real brokers behave as the suite says."""

import pytest

from tests.integration.libs.kafka.behaviour import BrokerBehaviour
from tests.integration.libs.kafka.worlds import KafkaWorld


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
