"""What aiokafka may rely on: the embedded broker and Apache Kafka behave the same where the platform needs it."""

from collections.abc import AsyncIterator

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from tests.support.kafka import KafkaBackend

PARTITIONS = 6


@pytest.fixture(params=["kafka", "apache_kafka"])
def backend(request: pytest.FixtureRequest) -> KafkaBackend:
    return request.getfixturevalue(request.param)


@pytest.fixture
async def topic(backend: KafkaBackend) -> str:
    return await create_topic(backend)


@pytest.fixture
async def producer(backend: KafkaBackend) -> AsyncIterator[AIOKafkaProducer]:
    async with AIOKafkaProducer(bootstrap_servers=backend.bootstrap, acks="all") as producer:
        yield producer


async def create_topic(backend: KafkaBackend) -> str:
    name = f"{backend.prefix}requests"
    admin = AIOKafkaAdminClient(bootstrap_servers=backend.bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(name, PARTITIONS, 1)])
    finally:
        await admin.close()
    return name


def consumer(backend: KafkaBackend) -> AIOKafkaConsumer:
    return AIOKafkaConsumer(
        bootstrap_servers=backend.bootstrap, group_id=f"{backend.prefix}group", enable_auto_commit=False
    )


async def test_a_record_keeps_its_key_headers_and_time(backend: KafkaBackend, topic: str, producer: AIOKafkaProducer):
    sent = await producer.send_and_wait(topic, b"v", key=b"k", headers=[("h", b"x")], timestamp_ms=1_700_000_000_000)

    async with consumer(backend) as reader:
        partition = TopicPartition(topic, sent.partition)
        reader.assign([partition])
        reader.seek(partition, sent.offset)
        record = await reader.getone()

    assert (b"k", b"v", (("h", b"x"),), 1_700_000_000_000) == (
        record.key,
        record.value,
        record.headers,
        record.timestamp,
    )


async def test_a_topic_has_the_partitions_that_it_was_created_with(
    backend: KafkaBackend, topic: str, producer: AIOKafkaProducer
):
    assert set(range(PARTITIONS)) == await producer.partitions_for(topic)


async def test_offsets_are_committed_without_joining_the_group(
    backend: KafkaBackend, topic: str, producer: AIOKafkaProducer
):
    partition = TopicPartition(topic, 2)
    for value in (b"a", b"b", b"c"):
        await producer.send_and_wait(topic, value, partition=2)
    async with consumer(backend) as first:
        first.assign([partition])
        await first.commit({partition: 2})

    async with consumer(backend) as second:
        second.assign([partition])
        assert b"c" == (await second.getone()).value


async def test_both_ends_of_a_partition_are_known(backend: KafkaBackend, topic: str, producer: AIOKafkaProducer):
    partition = TopicPartition(topic, 1)
    await producer.send_and_wait(topic, b"a", partition=1)

    async with consumer(backend) as reader:
        assert {partition: 0} == await reader.beginning_offsets([partition])
        assert {partition: 1} == await reader.end_offsets([partition])


async def test_an_outage_of_apache_kafka_loses_no_acknowledged_record(apache_kafka: KafkaBackend):
    topic = await create_topic(apache_kafka)
    async with AIOKafkaProducer(bootstrap_servers=apache_kafka.bootstrap, enable_idempotence=True) as producer:
        await producer.send_and_wait(topic, b"before", partition=0)

    apache_kafka.kill()
    apache_kafka.start()

    async with consumer(apache_kafka) as reader:
        reader.assign([TopicPartition(topic, 0)])
        await reader.seek_to_beginning()
        assert b"before" == (await reader.getone()).value


async def test_the_embedded_broker_comes_back_empty(kafka: KafkaBackend):
    if kafka.durable:
        pytest.skip("this Kafka keeps its records")
    topic = await create_topic(kafka)
    async with AIOKafkaProducer(bootstrap_servers=kafka.bootstrap) as producer:
        await producer.send_and_wait(topic, b"before", partition=0)

    kafka.stop()
    kafka.start()

    await create_topic(kafka)
    async with consumer(kafka) as reader:
        assert {TopicPartition(topic, 0): 0} == await reader.end_offsets([TopicPartition(topic, 0)])
