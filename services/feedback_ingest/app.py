"""The composition root: which concrete classes feedback-ingest is made of, and in which order they start and stop."""

import asyncio
import os
from collections.abc import AsyncIterator

import aiohttp
import structlog
from aiohttp import web
from redis.asyncio import Redis

from libs.contracts import topics
from libs.contracts.topics import Topic
from libs.kafka.consumer import run
from libs.kafka.dead_letters import DeadLetterTopics
from libs.kafka.publisher import JournaledPublisher
from libs.kafka.sender import KafkaSender
from libs.kafka.settings import KafkaSettings
from libs.kafka.source import KafkaSource
from libs.kafka.topics_admin import ensure_topics
from libs.redaction.sessions import SessionNames
from libs.runtime.background import background
from libs.runtime.clock import epoch_ms, epoch_s
from libs.runtime.identity import require_identity
from libs.runtime.redis import redis_resource
from libs.runtime.server import HEALTH, REGISTRY, new_app
from services.feedback_ingest.adapters.openai_judge import OpenAIJudge
from services.feedback_ingest.adapters.redis_ledger import RedisLedger
from services.feedback_ingest.adapters.redis_plans import RedisPlans
from services.feedback_ingest.adapters.redis_sessions import RedisSessions
from services.feedback_ingest.config import FeedbackConfig, JudgeSettings
from services.feedback_ingest.consumer import JudgeHandler, Sampling, decode
from services.feedback_ingest.handlers import INTAKE, add_routes, render_refusals
from services.feedback_ingest.metrics import FeedbackMetrics
from services.feedback_ingest.pipeline import Intake, Recorder, SessionFinder

log = structlog.get_logger(__name__)

GROUP = "judge"
DAY_S = 86_400

REDIS: web.AppKey["Redis"] = web.AppKey("redis", Redis)
LEDGER: web.AppKey[RedisLedger] = web.AppKey("ledger", RedisLedger)
RECORDER: web.AppKey[Recorder] = web.AppKey("recorder", Recorder)
METRICS: web.AppKey[FeedbackMetrics] = web.AppKey("metrics", FeedbackMetrics)


def build_app(config: FeedbackConfig) -> web.Application:
    """
    Return the application.

    Redis starts first and the journal next, because ratings need both; the judge starts last and stops first, so that its
    last ratings still find a journal. Neither Redis nor Kafka has to be there for the process to start or to serve.
    """
    secret = config.internal_secret.reveal().encode()
    app = new_app(
        "feedback_ingest",
        max_body_bytes=config.max_body_bytes,
        middlewares=[require_identity(secret), render_refusals],
    )
    app[METRICS] = FeedbackMetrics(app[REGISTRY])
    app.cleanup_ctx.append(redis_resource(REDIS, config.redis, required=False))
    app.cleanup_ctx.append(lambda app: _recorder(app, config))
    if "api" in config.roles:
        add_routes(app, epoch_ms)
        app.cleanup_ctx.append(lambda app: _intake(app, config))
    if config.judges:
        background(app, "judge", lambda stop: _judge(app, config, stop))
    return app


async def _recorder(app: web.Application, config: FeedbackConfig) -> AsyncIterator[None]:
    sender = KafkaSender(config.kafka, [topics.FEEDBACK])
    publisher = JournaledPublisher(sender, config.journal, max_message_bytes=config.kafka.max_message_bytes)
    app[HEALTH].add("journal", publisher.check)
    app[LEDGER] = RedisLedger(app[REDIS], mark_ttl_s=config.mark_days * DAY_S, deadline_s=config.redis_deadline_s)
    app[RECORDER] = Recorder(app[LEDGER], publisher, app[METRICS])
    yield
    await publisher.close()
    await sender.close()


async def _intake(app: web.Application, config: FeedbackConfig) -> AsyncIterator[None]:
    redis, deadline_s = app[REDIS], config.redis_deadline_s
    plans = RedisPlans(redis, deadline_s=deadline_s, keep_s=config.plan_cache_s, clock_s=epoch_s)
    names = SessionNames(config.internal_secret.reveal())
    finder = SessionFinder(RedisSessions(redis, deadline_s=deadline_s), names)
    app[INTAKE] = Intake(finder, plans, app[RECORDER], epoch_ms)
    yield


async def _judge(app: web.Application, config: FeedbackConfig, stop: asyncio.Event) -> None:
    await _topic_created(config.kafka, topics.TRANSCRIPTS, stop)
    source = KafkaSource(config.kafka, [topics.TRANSCRIPTS.name], group=GROUP)
    sender = KafkaSender(config.kafka, [topics.TRANSCRIPTS])
    try:
        async with aiohttp.ClientSession() as session:
            handler = _judge_handler(app, config.judge, session)
            await run(source, handler, DeadLetterTopics(sender), stop=stop, decode=decode)
    finally:
        await sender.close()


def _judge_handler(app: web.Application, judge: JudgeSettings, session: aiohttp.ClientSession) -> JudgeHandler:
    model = OpenAIJudge(
        session,
        base_url=judge.base_url,
        model=judge.model,
        api_key=os.environ.get(judge.api_key_env),
        timeout_s=judge.timeout_s,
    )
    sampling = Sampling(rate=judge.sample_rate, concurrency=judge.concurrency, max_chars=judge.max_chars)
    return JudgeHandler(model, app[LEDGER], app[RECORDER], sampling=sampling, metrics=app[METRICS], now_ms=epoch_ms)


async def _topic_created(settings: KafkaSettings, topic: Topic, stop: asyncio.Event) -> None:
    # Ratings are taken without Kafka, so its absence must not end the process: the judge waits.
    while not stop.is_set():
        try:
            await ensure_topics(settings, [topic], timeout_s=5.0)
        except TimeoutError:
            log.warning("judge.waiting", topic=topic.name)
        else:
            return
