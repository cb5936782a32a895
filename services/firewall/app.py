"""The composition root: which concrete classes the firewall is made of, and in which order they start and stop."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from typing import Literal

import structlog
from aiohttp import web
from redis.asyncio import Redis

from libs.contracts import topics
from libs.kafka.consumer import run
from libs.kafka.dead_letters import DeadLetterTopics
from libs.kafka.publisher import JournaledPublisher
from libs.kafka.sender import KafkaSender
from libs.kafka.settings import KafkaSettings
from libs.kafka.source import KafkaSource
from libs.kafka.topics_admin import ensure_topics
from libs.runtime.background import background
from libs.runtime.clock import epoch_ms, epoch_s
from libs.runtime.identity import require_identity
from libs.runtime.lifecycle import Listener, listen_tcp
from libs.runtime.redis import redis_resource
from libs.runtime.server import HEALTH, REGISTRY, new_app
from libs.scanner.onnx_scanner import OnnxScanner
from libs.scanner.second_opinion import SecondOpinion
from libs.scanner.second_opinion_thread import SecondOpinionThread
from libs.scanner.verdict import Thresholds
from services.firewall.adapters.redis_labels import RedisMarks, RedisSessions
from services.firewall.adapters.redis_policies import RedisPolicies
from services.firewall.adapters.redis_quarantines import RedisQuarantines
from services.firewall.config import FirewallConfig
from services.firewall.consumer import DeepScan, decode
from services.firewall.handlers import INSPECTOR, LABELLING, add_routes
from services.firewall.labelling import Labelling
from services.firewall.metrics import FirewallMetrics
from services.firewall.opinions import Opinions, Second
from services.firewall.pipeline import Inspector

log = structlog.get_logger(__name__)

GROUP = "deep-scan"
DAY_S = 86_400

REDIS: web.AppKey["Redis"] = web.AppKey("redis", Redis)
SCANNER: web.AppKey[OnnxScanner] = web.AppKey("scanner", OnnxScanner)
CALIBRATED: web.AppKey[Thresholds] = web.AppKey("calibrated", Thresholds)
PUBLISHER: web.AppKey[JournaledPublisher] = web.AppKey("publisher", JournaledPublisher)
SECOND: web.AppKey["Second | None"] = web.AppKey("second")
METRICS: web.AppKey[FirewallMetrics] = web.AppKey("metrics", FirewallMetrics)


def build_app(config: FirewallConfig) -> web.Application:
    """
    Return the application.

    The scanner, Redis and the journal start first, because both roles need them; the deep scan starts last and stops first, so
    that its last verdicts still find them. Neither Redis nor Kafka has to be there for the process to start or to answer scans.
    """
    secret = config.internal_secret.reveal().encode()
    app = new_app("firewall", max_body_bytes=config.max_body_bytes, middlewares=[require_identity(secret)])
    app[METRICS] = FirewallMetrics(app[REGISTRY])
    app.cleanup_ctx.append(_scanner)
    app.cleanup_ctx.append(redis_resource(REDIS, config.redis, required=False))
    app.cleanup_ctx.append(lambda app: _publisher(app, config))
    if "api" in config.roles:
        add_routes(app)
        app.cleanup_ctx.append(lambda app: _api(app, config))
    if "deep_scan" in config.roles:
        app.cleanup_ctx.append(lambda app: _second_opinion(app, config))
        background(app, "deep_scan", lambda stop: _deep_scan(app, config, stop))
    return app


async def listen(runner: web.AppRunner, config: FirewallConfig) -> Listener:
    """Listen on TCP; a gateway that gave a scan up cancels its handler, and with it the scan."""
    if runner.server is not None:
        runner.server.handler_cancellation = True
    return await listen_tcp(runner, config)


async def _scanner(app: web.Application) -> AsyncIterator[None]:
    scanner = app[SCANNER] = OnnxScanner()
    app[CALIBRATED] = scanner.start()
    app[METRICS].waiting_scans.set_function(lambda: scanner.waiting)

    async def running() -> None:
        if not scanner.running:
            raise RuntimeError("the scanner's thread has died")

    app[HEALTH].add("scanner", running)
    yield
    await asyncio.to_thread(scanner.close)


async def _second_opinion(app: web.Application, config: FirewallConfig) -> AsyncIterator[None]:
    """Load the second reader where its weights are installed; without it the deep scan goes on, and says so."""
    opinion = await asyncio.to_thread(SecondOpinion.bundled) if config.second_opinion == "auto" else None
    app[METRICS].second_opinion_present.set(opinion is not None)
    if opinion is None:
        app[HEALTH].add("second_opinion", partial(_absence, config.second_opinion))
        app[SECOND] = None
        yield
        return
    thread = SecondOpinionThread(opinion)
    app[SECOND] = Second(reader=thread, calibration=opinion.calibration, deadline_s=config.deep_scan_deadline_s)
    yield
    await asyncio.to_thread(thread.close)


async def _absence(wanted: Literal["auto", "off"]) -> str | None:
    return "absent: its weights are not installed" if wanted == "auto" else None


async def _publisher(app: web.Application, config: FirewallConfig) -> AsyncIterator[None]:
    sender = KafkaSender(config.kafka, [topics.VERDICTS])
    app[PUBLISHER] = JournaledPublisher(sender, config.journal, max_message_bytes=config.kafka.max_message_bytes)
    app[HEALTH].add("journal", app[PUBLISHER].check)
    yield
    await app[PUBLISHER].close()
    await sender.close()


async def _api(app: web.Application, config: FirewallConfig) -> AsyncIterator[None]:
    app[INSPECTOR] = _inspector(app, config, config.scan_deadline_s)
    redis, deadline_s = app[REDIS], config.redis_deadline_s
    sessions = RedisSessions(redis, deadline_s=deadline_s)
    marks = RedisMarks(redis, ttl_s=config.label_days * DAY_S, deadline_s=deadline_s)
    app[LABELLING] = Labelling(
        sessions,
        marks,
        _policies(app, config),
        app[PUBLISHER],
        app[METRICS],
        now_ms=epoch_ms,
        secret=config.internal_secret.reveal(),
    )
    yield


def _policies(app: web.Application, config: FirewallConfig) -> RedisPolicies:
    return RedisPolicies(app[REDIS], deadline_s=config.redis_deadline_s, keep_s=config.policy_cache_s, clock_s=epoch_s)


def _inspector(app: web.Application, config: FirewallConfig, deadline_s: float) -> Inspector:
    policies = _policies(app, config)
    return Inspector(app[SCANNER], policies, app[METRICS], calibrated=app[CALIBRATED], deadline_s=deadline_s)


async def _deep_scan(app: web.Application, config: FirewallConfig, stop: asyncio.Event) -> None:
    if not await _topics_created(config.kafka, stop):
        return
    source = KafkaSource(config.kafka, [topics.TRANSCRIPTS.name], group=GROUP)
    sender = KafkaSender(config.kafka)
    try:
        await run(source, _handler(app, config), DeadLetterTopics(sender), stop=stop, decode=decode)
    finally:
        await sender.close()


def _handler(app: web.Application, config: FirewallConfig) -> DeepScan:
    inspector = _inspector(app, config, config.deep_scan_deadline_s)
    return DeepScan(
        inspector,
        Opinions(inspector, app[METRICS], app[SECOND]),
        RedisQuarantines(app[REDIS], deadline_s=config.redis_deadline_s, evidence_ms=config.evidence_s * 1_000),
        app[PUBLISHER],
        app[METRICS],
        concurrency=config.deep_scan_concurrency,
        quarantine_ms=config.quarantine_s * 1_000,
        now_ms=epoch_ms,
    )


async def _topics_created(settings: KafkaSettings, stop: asyncio.Event) -> bool:
    # Scans are answered without Kafka, so its absence must not end the process: the deep scan waits.
    while not stop.is_set():
        try:
            await ensure_topics(settings, [topics.TRANSCRIPTS, topics.VERDICTS], timeout_s=5.0)
        except TimeoutError:
            log.warning("deep_scan.waiting")
        else:
            return True
    return False
