"""Fixtures of the router's integration tests: a Redis, a decision log as the aggregator writes it, a router that serves."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import msgspec
import pytest
from aiohttp import web
from floopy import AsyncFloopy
from redis.asyncio import Redis

from libs.contracts import http
from libs.contracts.events import Event
from libs.kafka.settings import KafkaSettings
from libs.runtime.clock import epoch_s
from libs.runtime.config import Secret
from libs.runtime.identity import Identity, sign
from libs.runtime.redis import RedisSettings, new_redis
from services.aggregator.adapters.clickhouse_client import ClickHouseClient
from services.aggregator.adapters.clickhouse_migrations import migrate, shipped
from services.aggregator.domain.rows import Origin, row_of, table_of
from services.router.app import build_app
from services.router.config import ClickHouseSettings, ExplainSettings, RouterConfig
from tests.support.kafka import KafkaBackend

SECRET = "internal-secret"
PROVIDERS = """
[providers.mock]
base_url = "http://127.0.0.1:1/v1"

[[providers.mock.models]]
upstream_id = "small"
price = { fresh_input = 0.1, cache_read = 0.01, cache_write = 0.1, output = 0.4 }

[[providers.mock.models]]
upstream_id = "large"
price = { fresh_input = 2.0, cache_read = 0.2, cache_write = 2.0, output = 8.0 }
"""

Record = Callable[[Sequence[Event]], Awaitable[None]]


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator["Redis"]:
    """A client of an empty Redis."""
    client = new_redis(RedisSettings(url=redis_url))
    yield client
    await client.aclose()


@pytest.fixture
async def record(clickhouse_url: str) -> AsyncIterator[Record]:
    """Store events as the aggregator does; twice the same event is a redelivery."""
    client = ClickHouseClient(clickhouse_url)
    await migrate(client, shipped())

    async def store(events: Sequence[Event]) -> None:
        for offset, event in enumerate(events):
            origin = Origin(
                partition=0, offset=offset, timestamp_ms=0, value=msgspec.json.encode(event), ingested_at_ms=0
            )
            row = row_of(event, origin)
            await client.insert(table_of(event), list(row), [list(row.values())])

    yield store
    await client.close()


class Router:
    """A router that serves, and clients of it."""

    def __init__(self, app: web.Application, url: str) -> None:
        self.app = app
        self.url = url

    def headers(self, tenant: str, *, permissions: tuple[str, ...] = ("read", "write")) -> dict[str, str]:
        claims = Identity(tenant=tenant, key_id="ci", permissions=permissions, expires_at=int(epoch_s()) + 60)
        return {http.IDENTITY: sign(claims, SECRET.encode())}

    def sdk(self, tenant: str) -> AsyncFloopy:
        return AsyncFloopy(
            api_key="unused", base_url=f"{self.url}/v1", default_headers=self.headers(tenant), max_retries=0
        )


Start = Callable[..., Awaitable[Router]]


@pytest.fixture
def config(redis_url: str, kafka: KafkaBackend, clickhouse_url: str, tmp_path: Path) -> RouterConfig:
    """What a router of this test is told."""
    providers = tmp_path / "providers.toml"
    providers.write_text(PROVIDERS)
    return RouterConfig(
        internal_secret=Secret(SECRET),
        providers_file=providers,
        redis=RedisSettings(url=redis_url),
        kafka=KafkaSettings(bootstrap=kafka.bootstrap, idempotent=kafka.idempotent, shard="0/1"),
        clickhouse=ClickHouseSettings(url=Secret(clickhouse_url)),
        explain=ExplainSettings(scan=False),
        visible_within_s=20.0,
    )


@asynccontextmanager
async def serving(config: RouterConfig) -> AsyncIterator[Router]:
    """Serve until the block ends."""
    app = build_app(config)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield Router(app, f"http://127.0.0.1:{runner.addresses[0][1]}")
    await runner.cleanup()


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Start routers that live as long as the test."""
    async with AsyncExitStack() as stack:

        async def begin(config: RouterConfig) -> Router:
            return await stack.enter_async_context(serving(config))

        yield begin
