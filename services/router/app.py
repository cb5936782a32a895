"""The composition root: which concrete classes the router is made of, and in which order they start and stop."""

import asyncio
import contextlib
import os
import uuid
from collections.abc import AsyncIterator

import structlog
from aiohttp import web
from redis.asyncio import Redis

from libs.contracts import bootstrap
from libs.contracts.bootstrap import Bootstrap
from libs.contracts.topics import CONTROL as CONTROL_TOPIC
from libs.kafka.consumer import run
from libs.kafka.dead_letters import DeadLetterTopics
from libs.kafka.sender import KafkaSender
from libs.kafka.settings import KafkaSettings
from libs.kafka.source import KafkaSource
from libs.kafka.topics_admin import ensure_topics
from libs.providers.loading import load_catalogue
from libs.redaction.sessions import SessionNames
from libs.runtime.background import background
from libs.runtime.clock import epoch_ms
from libs.runtime.identity import require_identity
from libs.runtime.redis import redis_resource
from libs.runtime.server import HEALTH, REGISTRY, new_app
from libs.scanner.onnx_scanner import OnnxScanner
from services.router.adapters.clickhouse_decisions import ClickHouseDecisions
from services.router.adapters.clickhouse_outcomes import ClickHouseOutcomes
from services.router.adapters.kafka_control_log import KafkaControlLog
from services.router.adapters.onnx_firewall import NullFirewall, OnnxFirewall
from services.router.adapters.redis_live_state import RedisLiveState
from services.router.adapters.redis_read_model import RedisReadModel
from services.router.config import ClickHouseSettings, ExplainSettings, RouterConfig
from services.router.consumer import Materialiser, decode
from services.router.control import Control
from services.router.founding import found
from services.router.handlers import decisions, explain, optimization, rules, wiring
from services.router.handlers.wiring import CursorSecret, Limits, Stamps, translate_refusals
from services.router.metrics import RouterMetrics
from services.router.ports import (
    BusyError,
    ControlLogUnavailableError,
    DecisionLogUnavailableError,
    PolicyUnavailableError,
)
from services.router.watch import Watch

log = structlog.get_logger(__name__)

GROUP = "router"
CHECK_S = 5.0

REDIS: web.AppKey["Redis"] = web.AppKey("redis", Redis)
MATERIALISER: web.AppKey[Materialiser] = web.AppKey("materialiser", Materialiser)


def build_app(config: RouterConfig) -> web.Application:
    """
    Return the application.

    Redis starts first, because everything reads the policy there. The materialiser starts last and stops first: it lives on
    all that is before it. Without Kafka the router serves and refuses changes; without ClickHouse it refuses the audit.
    """
    secret = config.internal_secret.reveal().encode()
    app = new_app(
        "router", max_body_bytes=config.max_body_bytes, middlewares=[require_identity(secret), translate_refusals]
    )
    app[wiring.STAMPS] = Stamps(clock_ms=epoch_ms, new_id=lambda: str(uuid.uuid4()))
    app[wiring.LIMITS] = Limits(
        export_rows=config.export_rows,
        what_if_requests=config.what_if_requests,
        landing_wait_s=config.landing_wait_s,
    )
    app[wiring.CURSOR_SECRET] = CursorSecret(secret)
    app[wiring.SESSION_NAMES] = SessionNames(config.internal_secret.reveal())
    app[wiring.CATALOGUE] = load_catalogue(config.providers_file, os.environ)
    app[wiring.METRICS] = RouterMetrics(app[REGISTRY])
    app.cleanup_ctx.append(redis_resource(REDIS, config.redis))
    app.cleanup_ctx.append(lambda app: _policy(app, config))
    app.cleanup_ctx.append(lambda app: _decisions(app, config.clickhouse))
    app.cleanup_ctx.append(lambda app: _firewall(app, config.explain))
    background(app, "materialiser", lambda stop: _materialise(app, config.kafka, stop))
    if config.watch_s > 0:
        background(app, "watch", lambda stop: _watch_routes(app, config.watch_s, stop))
    if config.bootstrap_file is not None:
        declared = bootstrap.load(config.bootstrap_file.read_bytes())
        background(app, "bootstrap", lambda stop: _found(app, declared, stop))
    for feature in (rules, optimization, explain, decisions):
        feature.add_routes(app)
    return app


async def _policy(app: web.Application, config: RouterConfig) -> AsyncIterator[None]:
    sender = KafkaSender(config.kafka)
    read_model = RedisReadModel(app[REDIS])
    app[MATERIALISER] = Materialiser(read_model, app[wiring.METRICS], new_log_id=lambda: uuid.uuid4().hex)
    app[wiring.LIVE_STATE] = RedisLiveState(app[REDIS])
    app[wiring.CONTROL] = Control(KafkaControlLog(sender), read_model, visible_within_s=config.visible_within_s)
    yield
    await sender.close()


async def _decisions(app: web.Application, settings: ClickHouseSettings) -> AsyncIterator[None]:
    store = ClickHouseDecisions(settings.url.reveal(), timeout_s=settings.timeout_s, threads=settings.threads)
    app[wiring.DECISION_LOG] = app[wiring.AUDIT_LOG] = store
    app[wiring.OUTCOME_LOG] = ClickHouseOutcomes(store)
    app[HEALTH].add("clickhouse", store.ping, required=False)
    yield
    await store.close()


async def _firewall(app: web.Application, settings: ExplainSettings) -> AsyncIterator[None]:
    if not settings.scan:
        app[wiring.FIREWALL] = NullFirewall()
        yield
        return
    scanner = OnnxScanner()
    thresholds = await asyncio.to_thread(scanner.start)
    app[wiring.FIREWALL] = OnnxFirewall(scanner, thresholds, deadline_s=settings.scan_deadline_s)
    yield
    await asyncio.to_thread(scanner.close)


async def _materialise(app: web.Application, settings: KafkaSettings, stop: asyncio.Event) -> None:
    await _topic_created(settings, stop)
    materialiser = app[MATERIALISER]
    source = KafkaSource(settings, [CONTROL_TOPIC.name], group=GROUP)
    sender = KafkaSender(settings)
    letters = DeadLetterTopics(sender)
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_watch(materialiser, stop))
            await run(source, materialiser, letters, stop=stop, decode=decode, progress=materialiser)
    finally:
        await sender.close()


async def _watch(materialiser: Materialiser, stop: asyncio.Event) -> None:
    # A Redis or a log that lost its data is noticed at once, not with the next change of the policy.
    while not stop.is_set():
        try:
            await materialiser.check()
        except (PolicyUnavailableError, TimeoutError) as error:
            log.warning("materialiser.unchecked", reason=str(error))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), CHECK_S)


async def _watch_routes(app: web.Application, pause_s: float, stop: asyncio.Event) -> None:
    stamps = app[wiring.STAMPS]
    watch = Watch(
        app[wiring.CONTROL],
        app[wiring.OUTCOME_LOG],
        app[wiring.METRICS],
        clock_ms=stamps.clock_ms,
        new_id=stamps.new_id,
    )
    while not stop.is_set():
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), pause_s)
            return
        try:
            await watch.round()
        except (BusyError, ControlLogUnavailableError, DecisionLogUnavailableError, PolicyUnavailableError) as error:
            log.warning("watch.postponed", error=type(error).__name__, reason=str(error))


async def _found(app: web.Application, declared: Bootstrap, stop: asyncio.Event) -> None:
    # Until the log is applied nobody knows what exists, and the file would overwrite it.
    await _first(app[MATERIALISER].caught_up, stop)
    stamps = app[wiring.STAMPS]
    models = app[wiring.CATALOGUE].models or None
    while not stop.is_set():
        try:
            await found(
                app[wiring.CONTROL],
                declared,
                env=os.environ,
                models=models,
                clock_ms=stamps.clock_ms,
                new_id=stamps.new_id,
            )
        except BusyError as error:
            # A router that was killed while it wrote leaves a lock that expires; what is known by then is not written again.
            log.warning("bootstrap.waiting", tenant=str(error))
        else:
            await stop.wait()


async def _first(*events: asyncio.Event) -> None:
    waits = [asyncio.create_task(event.wait()) for event in events]
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()


async def _topic_created(settings: KafkaSettings, stop: asyncio.Event) -> None:
    # The policy is readable without Kafka, so its absence must not end the process: changes wait.
    while not stop.is_set():
        try:
            await ensure_topics(settings, [CONTROL_TOPIC], timeout_s=5.0)
        except TimeoutError:
            log.warning("materialiser.waiting", topic=CONTROL_TOPIC.name)
        else:
            return
