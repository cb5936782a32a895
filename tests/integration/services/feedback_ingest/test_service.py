"""The whole service on real backends: ratings and judgements reach the topic once, also across an outage of Kafka."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import msgspec
import pytest
from aiohttp import web
from aiokafka import AIOKafkaConsumer

from libs.contracts import http, topics
from libs.contracts.events import FeedbackReceived, TranscriptRecorded, session_key
from libs.kafka.record import Message
from libs.kafka.sender import KafkaSender
from libs.kafka.settings import JournalSettings, KafkaSettings
from libs.kafka.topics_admin import ensure_topics
from libs.runtime.clock import epoch_ms, epoch_s
from libs.runtime.config import Secret
from libs.runtime.identity import Identity, sign
from libs.runtime.redis import RedisSettings
from services.feedback_ingest.app import build_app
from services.feedback_ingest.config import FeedbackConfig, JudgeSettings
from tests.integration.services.feedback_ingest.judge_server import JudgeServer
from tests.support.kafka import KafkaBackend
from tests.unit.services.feedback_ingest.domain.test_ratings import TRANSCRIPT

SECRET = "between us"
DEADLINE_S = 40.0


class Service:
    def __init__(self, url: str, session: aiohttp.ClientSession, tenant: str) -> None:
        self.tenant = tenant
        self._url = url
        self._session = session

    async def rate(self, session_id: str, score: int = 9) -> Any:
        identity = Identity(tenant=self.tenant, key_id="k1", permissions=("write",), expires_at=int(epoch_s()) + 60)
        headers = {http.IDENTITY: sign(identity, SECRET.encode())}
        body = {"score": score, "useful": True, "session_id": session_id}
        async with self._session.post(f"{self._url}/v1/feedback", json=body, headers=headers) as response:
            assert 200 == response.status
            return await response.json()

    async def get(self, path: str) -> tuple[int, str]:
        async with self._session.get(f"{self._url}{path}") as response:
            return response.status, await response.text()


@pytest.fixture
def tenant() -> str:
    return f"t{uuid4().hex[:12]}"


@pytest.fixture
def settings(kafka: KafkaBackend) -> KafkaSettings:
    return KafkaSettings(bootstrap=kafka.bootstrap, idempotent=kafka.idempotent, shard="0/1", request_timeout_s=5.0)


@pytest.fixture
def config(settings: KafkaSettings, redis_url: str, tmp_path: Path) -> FeedbackConfig:
    return FeedbackConfig(
        internal_secret=Secret(SECRET),
        redis=RedisSettings(url=redis_url),
        kafka=settings,
        journal=JournalSettings(directory=tmp_path),
    )


@asynccontextmanager
async def serving(config: FeedbackConfig, tenant: str) -> AsyncIterator[Service]:
    runner = web.AppRunner(build_app(config))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    async with aiohttp.ClientSession() as session:
        yield Service(f"http://127.0.0.1:{runner.addresses[0][1]}", session, tenant)
    await runner.cleanup()


async def published(
    settings: KafkaSettings, enough: Callable[[list[FeedbackReceived]], bool], tenant: str
) -> list[FeedbackReceived]:
    """Return the tenant's ratings on the topic as soon as they are *enough*."""
    await ensure_topics(settings, [topics.FEEDBACK])
    consumer = AIOKafkaConsumer(
        topics.FEEDBACK.name, bootstrap_servers=settings.bootstrap, auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        found: list[FeedbackReceived] = []
        async with asyncio.timeout(DEADLINE_S):
            while not enough(found):
                for records in (await consumer.getmany(timeout_ms=100)).values():
                    ratings = [msgspec.json.decode(record.value, type=FeedbackReceived) for record in records]
                    found += [rating for rating in ratings if rating.tenant == tenant]
        return found
    finally:
        await consumer.stop()


async def test_of_many_ratings_of_a_session_at_once_one_is_recorded(config: FeedbackConfig, tenant: str):
    async with serving(config, tenant) as service:
        answers = await asyncio.gather(*(service.rate("s-1", score % 11) for score in range(40)))
        assert 1 == sum(not answer["duplicate"] for answer in answers)
        await service.rate("s-2")
        found = await published(config.kafka, lambda found: any(r.session_id == "s-2" for r in found), tenant)
    assert 1 == len({msgspec.json.encode(rating) for rating in found if rating.session_id == "s-1"})


async def test_the_service_is_ready_and_counts(config: FeedbackConfig, tenant: str):
    async with serving(config, tenant) as service:
        await service.rate("s-1")
        assert 200 == (await service.get("/readyz"))[0]
        assert 'feedback_ratings_total{outcome="recorded",source="session"} 1.0' in (await service.get("/metrics"))[1]


async def test_ratings_taken_while_kafka_is_away_arrive_later(config: FeedbackConfig, tenant: str, kafka: KafkaBackend):
    async with serving(config, tenant) as service:
        kafka.stop()
        assert not (await service.rate("s-1"))["duplicate"]
        assert (await service.rate("s-1"))["duplicate"]
        kafka.start()
        [rating] = await published(config.kafka, bool, tenant)
    assert ("s-1", 0.9) == (rating.session_id, rating.score)


async def test_without_redis_ratings_of_named_sessions_are_taken(config: FeedbackConfig, tenant: str):
    away = msgspec.structs.replace(config, redis=RedisSettings(url="redis://127.0.0.1:1/0", retries=0))
    async with serving(away, tenant) as service:
        answers = [await service.rate("s-1", 9), await service.rate("s-1", 1)]
        assert [False, False] == [answer["duplicate"] for answer in answers]
        assert 200 == (await service.get("/readyz"))[0]
        found = await published(config.kafka, lambda found: len(found) == 2, tenant)
    assert 1 == len({rating.event_id for rating in found})


async def test_the_judge_rates_what_it_reads_and_leaves_broken_records_behind(
    config: FeedbackConfig, settings: KafkaSettings, tenant: str
):
    transcript = msgspec.structs.replace(TRANSCRIPT, tenant=tenant, created_at_ms=epoch_ms())
    await ensure_topics(settings, [topics.TRANSCRIPTS])
    sender = KafkaSender(settings)
    await sender.send([message(transcript, b"{"), message(transcript)])
    async with JudgeServer('{"score":7}').serving() as server:
        judge = JudgeSettings(model="judge-1", base_url=server.url, sample_rate=1.0, api_key_env="NO_SUCH_KEY")
        async with serving(msgspec.structs.replace(config, judge=judge), tenant):
            [rating] = await published(settings, bool, tenant)
    await sender.close()
    assert ("auto", 0.7, "judge-1", transcript.request_id) == (
        rating.source,
        rating.score,
        rating.rater,
        rating.request_id,
    )


def message(transcript: TranscriptRecorded, value: bytes | None = None) -> Message:
    return Message(
        topic=topics.TRANSCRIPTS.name,
        key=session_key(transcript.tenant, transcript.session_id),
        value=msgspec.json.encode(transcript) if value is None else value,
        timestamp_ms=transcript.created_at_ms,
    )
