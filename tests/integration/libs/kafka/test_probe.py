"""Who asks a broker that is away about places is told in time that there was no answer, whatever the connection did."""

import pytest

from deploy.local.process import free_port
from libs.kafka.probe import Probe
from libs.kafka.settings import KafkaSettings
from libs.kafka.topics_admin import ensure_topics
from tests.integration.libs.kafka.worlds import TestTopic


async def test_nobody_listens():
    probe = Probe(KafkaSettings(bootstrap=f"127.0.0.1:{free_port()}"))
    with pytest.raises(TimeoutError):
        await probe.end_offsets(["events"], 0)
    await probe.close()


async def test_the_broker_goes_and_comes_back(apache_kafka):
    settings = KafkaSettings(bootstrap=apache_kafka.bootstrap)
    topic = f"{apache_kafka.prefix}events"
    await ensure_topics(settings, [TestTopic(name=topic)])
    probe = Probe(settings)
    assert {topic: 0} == await probe.end_offsets([topic], 0)
    apache_kafka.kill()
    for _ in range(3):
        with pytest.raises(TimeoutError):
            await probe.end_offsets([topic], 0)
    apache_kafka.start()
    assert {topic: 0} == await probe.end_offsets([topic], 0)
    await probe.close()
