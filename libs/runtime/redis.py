"""The Redis client: made in one place, with its timeouts, its retries and its ping."""

from collections.abc import AsyncIterator, Callable
from typing import Annotated

import msgspec
from aiohttp import web
from msgspec import Meta
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from libs.runtime.health import Health
from libs.runtime.server import HEALTH


class RedisSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where Redis is and how long a service waits for it; nest it as field `redis`."""

    url: Annotated[str, Meta(description="redis://, rediss:// or unix:// address.")] = "redis://127.0.0.1:6379/0"
    connect_timeout_s: Annotated[float, Meta(gt=0, description="Longest wait for a connection.")] = 1.0
    timeout_s: Annotated[float, Meta(gt=0, description="Longest wait for an answer.")] = 2.0
    retries: Annotated[int, Meta(ge=0, description="Attempts after the first, on a lost connection.")] = 2
    max_connections: Annotated[int, Meta(ge=1, description="Size of the connection pool.")] = 64


def new_redis(settings: RedisSettings) -> "Redis":
    """Return a client that answers bytes; commands that change state are repeated only after a lost connection."""
    client: Redis = Redis.from_url(
        settings.url,
        socket_connect_timeout=settings.connect_timeout_s,
        socket_timeout=settings.timeout_s,
        socket_keepalive=not settings.url.startswith("unix:"),
        health_check_interval=30,
        max_connections=settings.max_connections,
        retry=Retry(ExponentialBackoff(cap=0.5, base=0.02), settings.retries),
        retry_on_error=[RedisConnectionError, RedisTimeoutError],
    )
    return client


def add_ping(health: Health, client: "Redis", *, required: bool = True) -> None:
    """Let `/readyz` ask Redis."""

    async def ping() -> None:
        await client.ping()

    health.add("redis", ping, required=required)


def redis_resource(
    key: web.AppKey["Redis"], settings: RedisSettings, *, required: bool = True
) -> Callable[[web.Application], AsyncIterator[None]]:
    """Return a `cleanup_ctx` that puts a client under *key*, adds its ping and closes it; connects on first use."""

    async def context(app: web.Application) -> AsyncIterator[None]:
        client = app[key] = new_redis(settings)
        add_ping(app[HEALTH], client, required=required)
        yield
        await client.aclose()

    return context
