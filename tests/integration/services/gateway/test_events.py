"""Every request reaches the topic as one event, also when Kafka was away while it was served."""

import asyncio
from pathlib import Path
from uuid import uuid4

import aiohttp
import msgspec
from aiokafka import AIOKafkaConsumer

from libs.contracts import topics
from libs.contracts.events import RequestCompleted
from libs.kafka.settings import KafkaSettings
from libs.kafka.topics_admin import ensure_topics
from services.gateway.config import GatewayConfig
from tests.integration.services.gateway.conftest import serving
from tests.support.kafka import KafkaBackend

DEADLINE_S = 60.0


async def test_requests_served_while_kafka_was_away_are_on_the_topic_later(
    config: GatewayConfig, kafka: KafkaBackend, http: aiohttp.ClientSession, tmp_path: Path
):
    settings = KafkaSettings(bootstrap=kafka.bootstrap, idempotent=kafka.idempotent, request_timeout_s=5.0)
    session = f"s-{uuid4().hex}"
    async with serving(msgspec.structs.replace(config, kafka=settings)) as gateway:
        kafka.stop()
        ids = [await ask(http, gateway, session, model=model) for model in ("ok", "fails", "nobody")]
        kafka.start()
        events = await published(settings, session, len(ids))
    assert set(ids) == {event.request_id for event in events}
    assert {"ok", "failed", "rejected"} == {event.status for event in events}


async def ask(http: aiohttp.ClientSession, gateway: str, session: str, **body: object) -> str:
    fields = {"messages": [{"role": "user", "content": "hi"}]} | body
    headers = {"floopy-session-id": session}
    async with http.post(f"{gateway}/v1/chat/completions", json=fields, headers=headers) as response:
        return response.headers["x-request-id"]


async def published(settings: KafkaSettings, session: str, count: int) -> list[RequestCompleted]:
    await ensure_topics(settings, [topics.REQUESTS])
    consumer = AIOKafkaConsumer(
        topics.REQUESTS.name, bootstrap_servers=settings.bootstrap, auto_offset_reset="earliest"
    )
    await consumer.start()
    found: dict[str, RequestCompleted] = {}
    try:
        async with asyncio.timeout(DEADLINE_S):
            while len(found) < count:
                for records in (await consumer.getmany(timeout_ms=100)).values():
                    events = [msgspec.json.decode(record.value, type=RequestCompleted) for record in records]
                    found |= {event.event_id: event for event in events if event.session_id == session}
    finally:
        await consumer.stop()
    return list(found.values())
