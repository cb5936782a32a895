"""The composition root: which concrete classes the aggregator is made of, and in which order they start and stop."""

import asyncio
import os
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial

import msgspec
from aiohttp import web
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from libs.contracts import topics
from libs.contracts.topics import Topic
from libs.kafka.batches import BatchLimits
from libs.kafka.consumer import ExternalOffsets, run
from libs.kafka.dead_letters import DeadLetterTopics
from libs.kafka.publisher import JournaledPublisher
from libs.kafka.sender import KafkaSender
from libs.kafka.source import KafkaSource
from libs.kafka.topics_admin import ensure_topics
from libs.providers.loading import load_catalogue
from libs.routing.priors import load_priors
from libs.runtime.background import background
from libs.runtime.clock import epoch_ms
from libs.runtime.redis import redis_resource
from libs.runtime.server import HEALTH, REGISTRY, new_app
from services.aggregator.adapters import clickhouse_migrations
from services.aggregator.adapters.clickhouse_client import ClickHouseClient
from services.aggregator.adapters.clickhouse_log import ClickHouseLog
from services.aggregator.adapters.redis_benchmarks import RedisBenchmarks
from services.aggregator.adapters.redis_learning import RedisLearning
from services.aggregator.adapters.redis_policies import RedisPolicies
from services.aggregator.adapters.redis_pool import RedisPool
from services.aggregator.adapters.redis_statistics import RedisStatistics
from services.aggregator.adapters.redis_weights import RedisWeights
from services.aggregator.config import DAY_S, AggregatorConfig
from services.aggregator.consumer import decode, decode_learned
from services.aggregator.domain.publication import Knowledge
from services.aggregator.learner import Learner
from services.aggregator.log_watch import LogRebornError, LogWatch
from services.aggregator.metrics import LagCollector, LearnerMetrics, PoolMetrics, PublicationMetrics, SinkMetrics
from services.aggregator.perseverance import persevere
from services.aggregator.pool_keeper import KeeperPace, PoolKeeper
from services.aggregator.ports import LogUnavailableError, OffsetsMovedError
from services.aggregator.publisher import WeightsPublisher
from services.aggregator.schedule import Pace, PublicationSchedule
from services.aggregator.sink import Sink, SinkOffsets

LEARNED = (topics.REQUESTS, topics.FEEDBACK)
LEARN_LIMITS = BatchLimits(max_records=500, max_wait_s=0.05)
SINK_RECORDS = 2_000
KEY_BYTES = 256  # Room for the key in the largest event.
REDIS_AWAY = (RedisConnectionError, RedisTimeoutError)
KAFKA_AWAY = (TimeoutError, LogRebornError)


class Learning(msgspec.Struct, frozen=True, kw_only=True):
    """The parts of the role `learn`."""

    learner: Learner
    schedule: PublicationSchedule
    keeper: PoolKeeper


REDIS: web.AppKey["Redis"] = web.AppKey("redis", Redis)
EVENTS: web.AppKey[JournaledPublisher] = web.AppKey("events", JournaledPublisher)
LEARNING: web.AppKey[Learning] = web.AppKey("learning", Learning)
CLICKHOUSE: web.AppKey[ClickHouseClient] = web.AppKey("clickhouse", ClickHouseClient)
SINK_METRICS: web.AppKey[SinkMetrics] = web.AppKey("sink_metrics", SinkMetrics)
LAG: web.AppKey[LagCollector] = web.AppKey("lag", LagCollector)


def build_app(config: AggregatorConfig) -> web.Application:
    """
    Return the application.

    The learner starts after what it tells of its changes and stops before it, so that its last batch is still published; the
    journal outlives both, as publications end there. No backend has to be there for the process to start: each task waits.
    """
    app = new_app("aggregator", max_body_bytes=config.max_body_bytes)
    app[LAG] = LagCollector(app[REGISTRY])
    if "learn" in config.roles:
        app.cleanup_ctx.append(redis_resource(REDIS, config.redis))
        app.cleanup_ctx.append(lambda app: _events(app, config))
        app.cleanup_ctx.append(lambda app: _learning(app, config))
        background(app, "publications", lambda stop: _publish(app, stop))
        background(app, "pool", lambda stop: _keep_pool(app, stop))
        background(app, "learner", lambda stop: _learn(app, config, stop))
    if "sink" in config.roles:
        app.cleanup_ctx.append(lambda app: _clickhouse(app, config))
        app[SINK_METRICS] = SinkMetrics(app[REGISTRY])
        for group, table in sink_groups().items():
            background(app, group, partial(_sink, app, config, group, table))
    return app


def sink_groups() -> dict[str, Sequence[Topic]]:
    """Return consumer group → topics that it reads together, which have the same number of partitions."""
    wide = tuple(topic for topic in topics.ALL if topic.partitions == topics.PARTITIONS)
    return {"sink": wide, "sink-control": tuple(topic for topic in topics.ALL if topic not in wide)}


async def _events(app: web.Application, config: AggregatorConfig) -> AsyncIterator[None]:
    sender = KafkaSender(config.kafka, [topics.WEIGHTS])
    app[EVENTS] = JournaledPublisher(sender, config.journal, max_message_bytes=config.kafka.max_message_bytes)
    app[HEALTH].add("journal", app[EVENTS].check)
    yield
    await app[EVENTS].close()
    await sender.close()


async def _learning(app: web.Application, config: AggregatorConfig) -> AsyncIterator[None]:
    redis, partitions = app[REDIS], topics.REQUESTS.partitions
    state = RedisLearning(redis, session_ttl_s=config.session_days * DAY_S)
    statistics, policies, pool = RedisStatistics(redis, partitions=partitions), RedisPolicies(redis), RedisPool(redis)
    metrics = PublicationMetrics(app[REGISTRY])
    publisher = WeightsPublisher(
        statistics,
        RedisWeights(redis),
        policies,
        app[EVENTS],
        metrics,
        clock_ms=epoch_ms,
        new_id=_new_id,
        max_event_bytes=config.kafka.max_message_bytes - KEY_BYTES,
    )
    knowledge = Knowledge(priors=load_priors(), models=load_catalogue(config.providers_file, os.environ).models)
    benchmarks = RedisBenchmarks(redis)
    schedule = PublicationSchedule(
        state,
        pool,
        publisher,
        knowledge,
        metrics,
        benchmarks=benchmarks,
        owned=lambda: app[LEARNING].learner.owned,
        clock_ms=epoch_ms,
        pace=Pace(observe_s=config.observe_s, pool_age_s=config.pool_s),
    )
    keeper = PoolKeeper(
        state=state,
        statistics=statistics,
        store=pool,
        policies=policies,
        publisher=publisher,
        knowledge=knowledge,
        benchmarks=benchmarks,
        metrics=PoolMetrics(app[REGISTRY]),
        partitions=partitions,
        token=_new_id(),
        clock_ms=epoch_ms,
        pace=KeeperPace(interval_s=config.pool_s, refresh_s=config.refresh_s, lease_s=5 * config.pool_s),
        noise=config.noise,
    )
    learner = Learner(state, schedule, LearnerMetrics(app[REGISTRY]), new_token=_new_id, clock_ms=epoch_ms)
    app[LEARNING] = Learning(learner=learner, schedule=schedule, keeper=keeper)
    app[HEALTH].add("partitions", learner.check)
    yield


async def _publish(app: web.Application, stop: asyncio.Event) -> None:
    schedule = app[LEARNING].schedule
    await persevere("publications", lambda: schedule.run(stop), stop=stop, recoverable=REDIS_AWAY)


async def _keep_pool(app: web.Application, stop: asyncio.Event) -> None:
    keeper = app[LEARNING].keeper
    await persevere("pool", lambda: keeper.run(stop), stop=stop, recoverable=REDIS_AWAY)


async def _learn(app: web.Application, config: AggregatorConfig, stop: asyncio.Event) -> None:
    learner = app[LEARNING].learner

    async def attempt() -> None:
        await ensure_topics(config.kafka, LEARNED)
        source = KafkaSource(config.kafka, [topic.name for topic in LEARNED], group="learn")
        async with _dead_letters(config) as dead_letters:
            app[LAG].watch("learn", source.lag)
            watch = LogWatch(source, learner)
            reading = run(
                source,
                learner,
                dead_letters,
                stop=stop,
                decode=decode_learned,
                progress=ExternalOffsets(partial(learner.positions, source)),
                limits=LEARN_LIMITS,
                ownership=watch,
            )
            await watch.guard(reading)

    recoverable = (*REDIS_AWAY, *KAFKA_AWAY, OffsetsMovedError)
    await persevere("learner", attempt, stop=stop, recoverable=recoverable)


async def _clickhouse(app: web.Application, config: AggregatorConfig) -> AsyncIterator[None]:
    settings = config.clickhouse
    app[CLICKHOUSE] = ClickHouseClient(
        settings.url, connect_timeout_s=settings.connect_timeout_s, timeout_s=settings.timeout_s
    )
    app[HEALTH].add("clickhouse", app[CLICKHOUSE].ping, timeout_s=3.0, required=False)
    yield
    await app[CLICKHOUSE].close()


async def _sink(
    app: web.Application,
    config: AggregatorConfig,
    group: str,
    table: Sequence[Topic],
    stop: asyncio.Event,
) -> None:
    client, metrics = app[CLICKHOUSE], app[SINK_METRICS]

    async def attempt() -> None:
        await clickhouse_migrations.migrate(client, clickhouse_migrations.shipped())
        await ensure_topics(config.kafka, table)
        source = KafkaSource(config.kafka, [topic.name for topic in table], group=group)
        async with _dead_letters(config) as dead_letters:
            app[LAG].watch(group, source.lag)
            rows, watch = ClickHouseLog(client), LogWatch(source)
            reading = run(
                source,
                Sink(rows, metrics, clock_ms=epoch_ms),
                dead_letters,
                stop=stop,
                decode=decode,
                progress=SinkOffsets(rows),
                limits=BatchLimits(max_records=SINK_RECORDS, max_wait_s=config.sink_wait_s, cut_every=SINK_RECORDS),
                ownership=watch,
            )
            await watch.guard(reading)

    recoverable = (LogUnavailableError, *KAFKA_AWAY)
    await persevere(group, attempt, stop=stop, recoverable=recoverable, on_wait=metrics.waits.inc)


@asynccontextmanager
async def _dead_letters(config: AggregatorConfig) -> AsyncIterator[DeadLetterTopics]:
    sender = KafkaSender(config.kafka)
    try:
        yield DeadLetterTopics(sender)
    finally:
        await sender.close()


def _new_id() -> str:
    return str(uuid.uuid4())
