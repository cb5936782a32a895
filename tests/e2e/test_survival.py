"""Broken records are put aside with their origin, and neither they nor a killed process cost an answered request or rating."""

import asyncio
from uuid import uuid4

import httpx
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.structs import ConsumerRecord

from libs.contracts import topics
from libs.contracts.topics import Topic
from tests.e2e.platform import SERVICES, Platform
from tests.e2e.test_learning import chat
from tests.support.process import wait_until

DEADLINE_S = 30.0
NESTED = b'{"type":"request.completed","x":' + b"[" * 50_000 + b"]" * 50_000 + b"}"

BROKEN = {
    "not JSON": b"\x00\xff\x00",
    "half an event": b'{"type":"',
    "untagged": b'{"event_id":"e"}',
    "bottomless": NESTED,
}


@pytest.mark.parametrize("topic", topics.ALL, ids=lambda topic: topic.name)
async def test_broken_records_are_put_aside(platform: Platform, topic: Topic):
    keys = {what: f"{what}-{uuid4().hex}".encode() for what in BROKEN}
    await send(platform, topic, {keys[what]: value for what, value in BROKEN.items()})
    found = await dead_letters(platform, topic, set(keys.values()))
    assert {keys[what]: value for what, value in BROKEN.items()} == {record.key: record.value for record in found}
    for record in found:
        headers = dict(record.headers)
        assert topic.name.encode() == headers["topic"]
        assert headers["reason"]


@pytest.mark.parametrize("process", ["gateway", "feedback_ingest", "aggregator"])
def test_what_was_answered_outlives_the_process(platform: Platform, process: str, session_id: str):
    before = platform.rated_sessions("survivor")
    chat(platform, "survivor", session_id)
    platform.floopy("survivor").feedback.submit(score=8, useful=True, session_id=session_id)
    platform.kill(process)
    wait_until(
        lambda: platform.rated_sessions("survivor") == before + 1,
        timeout_s=DEADLINE_S,
        what="the rating in the weights",
    )
    wait_until(lambda: is_alive(platform, process), timeout_s=DEADLINE_S, what=f"{process} to be back")


async def test_every_service_lives_on(platform: Platform):
    async with httpx.AsyncClient() as client:
        answers = [await client.get(platform.address(service, "/readyz")) for service in SERVICES]
    assert [200] * len(SERVICES) == [answer.status_code for answer in answers]


def is_alive(platform: Platform, process: str) -> bool:
    try:
        return httpx.get(platform.address(process, "/healthz")).status_code == 200
    except httpx.TransportError:
        return False


async def send(platform: Platform, topic: Topic, values: dict[bytes, bytes]) -> None:
    async with AIOKafkaProducer(bootstrap_servers=platform.kafka_bootstrap) as producer:
        for key, value in values.items():
            await producer.send_and_wait(topic.name, value, key=key)


async def dead_letters(platform: Platform, topic: Topic, keys: set[bytes]) -> list[ConsumerRecord]:
    """Return the first dead letter of each of *keys*: a topic that several services read has several."""
    found: dict[bytes, ConsumerRecord] = {}
    async with (
        AIOKafkaConsumer(
            topic.dlq, bootstrap_servers=platform.kafka_bootstrap, auto_offset_reset="earliest"
        ) as consumer,
        asyncio.timeout(DEADLINE_S),
    ):
        while found.keys() != keys:
            for records in (await consumer.getmany(timeout_ms=100)).values():
                found |= {record.key: record for record in records if record.key in keys and record.key not in found}
    return list(found.values())
