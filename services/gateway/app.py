"""The composition root: which concrete classes the gateway is made of, and in which order they start and stop."""

import asyncio
import os
import random
import time
from collections.abc import AsyncIterator

import aiohttp
from aiohttp import web
from redis.asyncio import Redis

from libs.contracts import topics
from libs.kafka.publisher import JournaledPublisher
from libs.kafka.sender import KafkaSender
from libs.providers.catalogue import Catalogue
from libs.providers.loading import load_catalogue
from libs.redaction.sessions import SessionNames
from libs.routing.priors import Priors, day0, load_priors
from libs.routing.shapes import load_head
from libs.runtime.background import background
from libs.runtime.clock import epoch_ms, epoch_s
from libs.runtime.lifecycle import Listener, listen_tcp
from libs.runtime.redis import redis_resource
from libs.runtime.server import HEALTH, REGISTRY, new_app
from libs.scanner.onnx_scanner import OnnxScanner
from services.gateway.adapters.aiohttp_upstream import AiohttpUpstream
from services.gateway.adapters.bootstrap_directory import read_bootstrap
from services.gateway.adapters.fallback_firewall import FallbackFirewall
from services.gateway.adapters.kafka_events import KafkaEvents
from services.gateway.adapters.local_firewall import LocalFirewall
from services.gateway.adapters.redis_benchmarks import RedisBenchmarks
from services.gateway.adapters.redis_changes import RedisChanges
from services.gateway.adapters.redis_directory import DirectorySettings, RedisDirectory
from services.gateway.adapters.redis_hot_state import HotStateSettings, RedisHotState
from services.gateway.adapters.redis_weights import RedisWeights
from services.gateway.adapters.redis_wire import RedisWire, parse_address
from services.gateway.adapters.remote_firewall import RemoteFirewall
from services.gateway.config import GatewayConfig
from services.gateway.domain.breaker import Breaker, BreakerSettings
from services.gateway.domain.routing import Router
from services.gateway.forwarding import Forwarder
from services.gateway.handlers import CATALOGUE, DIRECTORY, FORWARDER, PIPELINE, add_routes
from services.gateway.metrics import GatewayMetrics
from services.gateway.pipeline.attempts import Attempts, AttemptSettings
from services.gateway.pipeline.chat import ChatPipeline
from services.gateway.pipeline.protection import Protection
from services.gateway.pipeline.publication import Publication
from services.gateway.pipeline.settlement import Settlement
from services.gateway.ports import Firewall

REDIS: web.AppKey["Redis"] = web.AppKey("redis", Redis)
METRICS: web.AppKey[GatewayMetrics] = web.AppKey("metrics", GatewayMetrics)
BENCHMARKS: web.AppKey[RedisBenchmarks] = web.AppKey("benchmarks", RedisBenchmarks)
WEIGHTS: web.AppKey[RedisWeights] = web.AppKey("weights", RedisWeights)
CALLERS: web.AppKey[RedisDirectory] = web.AppKey("callers", RedisDirectory)
HOT_STATE: web.AppKey[RedisHotState] = web.AppKey("hot_state", RedisHotState)
EVENTS: web.AppKey[KafkaEvents] = web.AppKey("events", KafkaEvents)
FIREWALL: web.AppKey[Firewall] = web.AppKey("firewall", Firewall)
UPSTREAM: web.AppKey[AiohttpUpstream] = web.AppKey("upstream", AiohttpUpstream)


class SystemClock:
    """The clocks of this machine."""

    def epoch_ms(self) -> int:
        """Return Unix milliseconds."""
        return epoch_ms()

    def monotonic_ns(self) -> int:
        """Return nanoseconds that only go forward."""
        return time.perf_counter_ns()


def build_app(config: GatewayConfig) -> web.Application:
    """
    Return the application.

    The journal starts first and stops last, because every other part may still leave an event; Redis comes before what is
    read from it; the pipeline comes last, when everything it calls is there. Neither Redis nor Kafka nor any other service
    has to be there for the process to start or to serve.
    """
    app = new_app("gateway", max_body_bytes=config.max_body_bytes, own_request_ids=True)
    app[METRICS] = GatewayMetrics(app[REGISTRY])
    app[CATALOGUE] = load_catalogue(config.providers_file, os.environ)
    app.cleanup_ctx.append(lambda app: _events(app, config))
    app.cleanup_ctx.append(redis_resource(REDIS, config.redis, required=False))
    app.cleanup_ctx.append(lambda app: _hot_state(app, config))
    app.cleanup_ctx.append(lambda app: _copies(app, config))
    background(app, "weights", lambda stop: _poll(app, stop))
    background(app, "changes", lambda stop: _changes(app, stop))
    app.cleanup_ctx.append(lambda app: _firewall(app, config))
    app.cleanup_ctx.append(_upstream)
    app.cleanup_ctx.append(lambda app: _forwarder(app, config))
    app.cleanup_ctx.append(lambda app: _pipeline(app, config))
    add_routes(app)
    return app


async def listen(runner: web.AppRunner, config: GatewayConfig) -> Listener:
    """Listen on TCP; a client that goes away cancels its handler, and with it the upstream call."""
    if runner.server is not None:
        runner.server.handler_cancellation = True
    return await listen_tcp(runner, config)


async def _events(app: web.Application, config: GatewayConfig) -> AsyncIterator[None]:
    sender = KafkaSender(config.kafka, [topics.REQUESTS, topics.TRANSCRIPTS])
    publisher = JournaledPublisher(sender, config.journal, max_message_bytes=config.kafka.max_message_bytes)
    app[HEALTH].add("journal", publisher.check)
    app[METRICS].watch_journal(publisher)
    app[EVENTS] = KafkaEvents(publisher)
    yield
    await publisher.close()
    await sender.close()


async def _hot_state(app: web.Application, config: GatewayConfig) -> AsyncIterator[None]:
    wire = RedisWire(parse_address(config.redis.url), timeout_s=config.hot.timeout_s)
    await wire.start()
    settings = HotStateSettings(session_ttl_s=config.hot.session_ttl_s, alias_ttl_s=config.hot.alias_ttl_s)
    app[HOT_STATE] = RedisHotState(wire, settings, app[METRICS].degrade)
    yield
    await wire.close()


async def _copies(app: web.Application, config: GatewayConfig) -> AsyncIterator[None]:
    degrade = app[METRICS].degrade
    fallback = read_bootstrap(config.bootstrap_file, os.environ)
    settings = DirectorySettings(refresh_s=config.key_refresh_s)
    app[DIRECTORY] = app[CALLERS] = RedisDirectory(app[REDIS], fallback, settings, time.monotonic, degrade)
    start = day0(load_priors(), app[CATALOGUE].models.values(), now_ms=epoch_ms())
    app[WEIGHTS] = RedisWeights(app[REDIS], start, config.weights_poll_s, degrade)
    app[BENCHMARKS] = RedisBenchmarks(app[REDIS], lambda table: _rebase(app, table), config.weights_poll_s, degrade)
    yield


def _rebase(app: web.Application, table: Priors) -> None:
    app[WEIGHTS].rebase(day0(table, app[CATALOGUE].models.values(), now_ms=epoch_ms()))


async def _poll(app: web.Application, stop: asyncio.Event) -> None:
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(app[WEIGHTS].poll(stop))
        tasks.create_task(app[BENCHMARKS].poll(stop))


async def _changes(app: web.Application, stop: asyncio.Event) -> None:
    listeners = (app[BENCHMARKS].changed, app[WEIGHTS].changed, app[CALLERS].changed)
    await RedisChanges(app[REDIS], listeners, app[METRICS].degrade).run(stop)


async def _firewall(app: web.Application, config: GatewayConfig) -> AsyncIterator[None]:
    scanner = OnnxScanner()
    thresholds = await asyncio.to_thread(scanner.start)
    app[METRICS].watch_scanner(lambda: scanner.waiting)
    degrade = app[METRICS].degrade
    local = LocalFirewall(scanner, thresholds, config.scan.deadline_s, degrade)
    replicas = {url: _remote_firewall(config, url) for url in config.firewall.url}
    app[FIREWALL] = (
        FallbackFirewall(replicas, local, _firewall_breaker(config), time.monotonic, degrade) if replicas else local
    )
    yield
    for replica in replicas.values():
        await replica.close()
    await asyncio.to_thread(scanner.close)


def _remote_firewall(config: GatewayConfig, url: str) -> RemoteFirewall:
    secret = config.internal_secret.reveal().encode()
    return RemoteFirewall(url, secret, deadline_s=config.firewall.deadline_s, epoch_s=epoch_s)


def _firewall_breaker(config: GatewayConfig) -> Breaker:
    settings = config.firewall
    return Breaker(
        BreakerSettings(
            failures=settings.breaker_failures, open_s=settings.breaker_open_s, max_open_s=settings.breaker_max_open_s
        )
    )


async def _upstream(app: web.Application) -> AsyncIterator[None]:
    catalogue = app[CATALOGUE]
    app[UPSTREAM] = AiohttpUpstream(catalogue.providers, provider_keys(catalogue))
    app[HEALTH].add("catalogue", lambda: _models_exist(catalogue))
    yield
    await app[UPSTREAM].close()


def provider_keys(catalogue: Catalogue) -> dict[str, str]:
    """Return the API key of each provider whose variable is set, by provider name."""
    named = ((name, provider.api_key_env) for name, provider in catalogue.providers.items())
    return {name: os.environ[variable] for name, variable in named if variable and variable in os.environ}


async def _models_exist(catalogue: Catalogue) -> str | None:
    return None if catalogue.models else "the catalogue is empty: set PROVIDERS_FILE or a provider's API key"


async def _forwarder(app: web.Application, config: GatewayConfig) -> AsyncIterator[None]:
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=2.0, sock_read=config.forward_timeout_s)
    async with aiohttp.ClientSession(timeout=timeout, auto_decompress=False) as session:
        app[FORWARDER] = Forwarder(
            session,
            {
                "feedback_ingest": config.feedback_ingest_url,
                "router": config.router_url,
                "firewall": config.firewall_service_url,
            },
            config.internal_secret.reveal().encode(),
            epoch_s,
        )
        yield


async def _pipeline(app: web.Application, config: GatewayConfig) -> AsyncIterator[None]:
    clock, metrics, upstream = SystemClock(), app[METRICS], config.upstream
    breaker = Breaker(
        BreakerSettings(
            failures=upstream.breaker_failures, open_s=upstream.breaker_open_s, max_open_s=upstream.breaker_max_open_s
        )
    )
    settings = AttemptSettings(
        max_attempts=upstream.max_attempts, retries=upstream.retries, retry_pause_s=upstream.retry_pause_s
    )
    defer = asyncio.get_running_loop().call_soon
    secret = config.internal_secret.reveal()
    publication = Publication(app[EVENTS], clock, secret=secret, defer=defer, degrade=metrics.degrade)
    app[PIPELINE] = ChatPipeline(
        directory=app[DIRECTORY],
        hot_state=app[HOT_STATE],
        weights=app[WEIGHTS],
        protection=Protection(app[FIREWALL], metrics.degrade),
        router=Router(app[CATALOGUE], load_head()),
        attempts=Attempts(app[UPSTREAM], breaker, clock, settings),
        settlement=Settlement(app[HOT_STATE], publication, metrics, clock, defer),
        sessions=SessionNames(secret),
        clock=clock,
        draw=random.Random().random,  # noqa: S311 - spreads cached variants, guards nothing
    )
    yield
    publication.close()
