"""Topics are created as the table says, once, and a table that disagrees is refused by name."""

import asyncio

import pytest

from libs.kafka.settings import KafkaSettings
from libs.kafka.topics_admin import TopicError, ensure_topics, partition_counts
from tests.integration.libs.kafka.worlds import TestTopic


@pytest.fixture(params=["kafka", "apache_kafka"])
def backend(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
def settings(backend):
    return KafkaSettings(bootstrap=backend.bootstrap, idempotent=backend.idempotent)


async def test_topics_and_their_dead_letter_topics_are_created_once(backend, settings):
    table = [
        TestTopic(name=f"{backend.prefix}kept", partitions=3),
        TestTopic(name=f"{backend.prefix}compacted", partitions=1, retention_ms=None),
    ]
    await ensure_topics(settings, table)
    await ensure_topics(settings, table)
    names = [name for topic in table for name in (topic.name, topic.dlq)]
    assert [3, 3, 1, 1] == [(await partition_counts(settings, names))[name] for name in names]


async def test_several_processes_may_create_them_at_once(backend, settings):
    table = [TestTopic(name=f"{backend.prefix}raced")]
    await asyncio.gather(*(ensure_topics(settings, table) for _ in range(3)))
    assert {table[0].name: 4} == await partition_counts(settings, [table[0].name])


async def test_another_number_of_partitions_is_refused_by_name(backend, settings):
    name = f"{backend.prefix}grown"
    await ensure_topics(settings, [TestTopic(name=name, partitions=2)])
    with pytest.raises(TopicError, match=f"{name} has 2 partitions, the table says 5"):
        await ensure_topics(settings, [TestTopic(name=name, partitions=5)])


async def test_asking_about_a_topic_does_not_bring_it_about(backend, settings):
    name = f"{backend.prefix}absent"
    with pytest.raises(TimeoutError):
        await partition_counts(settings, [name], timeout_s=0.5)
    await ensure_topics(settings, [TestTopic(name=name, partitions=2)])
    assert {name: 2} == await partition_counts(settings, [name])
