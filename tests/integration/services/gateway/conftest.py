"""A gateway on sockets: the real application with real Redis, a provider that misbehaves on demand, and an owner service."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import aiohttp
import msgspec
import pytest
from aiohttp import web

from libs.kafka.settings import JournalSettings, KafkaSettings
from libs.runtime.config import Secret
from libs.runtime.redis import RedisSettings
from services.gateway.app import build_app, listen
from services.gateway.config import GatewayConfig, HotSettings, UpstreamSettings
from tests.integration.services.gateway.provider_server import ProviderServer

INTERNAL_SECRET = "between us"
MODELS = ("ok", "ok-2", "slow", "dies", "refuses", "fails", "hangs")
BOOTSTRAP = """
[[plans]]
name = "free"
[[tenants]]
tenant = "acme"
plan = "free"
[[tenants]]
tenant = "rival"
plan = "free"
[[keys]]
tenant = "acme"
key_id = "one"
secret = "sk-acme"
[[keys]]
tenant = "rival"
key_id = "one"
secret = "sk-rival"
"""

DEADLINE_S = 10.0
POLL_S = 0.01


@asynccontextmanager
async def served(app: web.Application) -> AsyncIterator[str]:
    """Serve *app* on a free port of loopback; yields its address."""
    runner = web.AppRunner(app, handler_cancellation=True)
    try:
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def serving(config: GatewayConfig) -> AsyncIterator[str]:
    """Serve a gateway as its `__main__` does; yields its address."""
    runner = web.AppRunner(build_app(config))
    try:
        await runner.setup()
        await listen(runner, config)
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@pytest.fixture
async def provider() -> ProviderServer:
    return ProviderServer()


@pytest.fixture
async def config(redis_url: str, provider: ProviderServer, tmp_path: Path) -> AsyncIterator[GatewayConfig]:
    """Everything switched on but Kafka, which is away."""
    async with served(provider.app()) as address:
        catalogue = f'[providers.sim]\nbase_url = "{address}/v1"\ntimeout_s = 1.0\n' + "".join(
            f'[[providers.sim.models]]\nupstream_id = "{name}"\nprice = {{fresh_input=1.0, cache_read=0.1, cache_write=1.0, output=2.0}}\n'
            for name in MODELS
        )
        (tmp_path / "providers.toml").write_text(catalogue)
        (tmp_path / "bootstrap.toml").write_text(BOOTSTRAP)
        yield GatewayConfig(
            host="127.0.0.1",
            port=0,
            internal_secret=Secret(INTERNAL_SECRET),
            redis=RedisSettings(url=redis_url, connect_timeout_s=0.2, timeout_s=0.5, retries=0),
            hot=HotSettings(timeout_s=0.5),
            kafka=KafkaSettings(bootstrap="127.0.0.1:1"),
            journal=JournalSettings(directory=tmp_path / "journal", close_timeout_s=0.1),
            upstream=UpstreamSettings(retry_pause_s=0.001),
            bootstrap_file=tmp_path / "bootstrap.toml",
            providers_file=tmp_path / "providers.toml",
            drain_timeout_s=1.0,
        )


@pytest.fixture
async def gateway(config: GatewayConfig) -> AsyncIterator[str]:
    """The address of a running gateway."""
    async with serving(config) as address:
        yield address


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    """A client with the key of tenant acme."""
    async with AsyncExitStack() as stack:
        yield await stack.enter_async_context(aiohttp.ClientSession(headers={"authorization": "Bearer sk-acme"}))


async def eventually(condition: Callable[[], Awaitable[bool]]) -> None:
    """Return once *condition* holds; fails when it takes too long."""
    async with asyncio.timeout(DEADLINE_S):
        held = await condition()
        while not held:
            await asyncio.sleep(POLL_S)
            held = await condition()


def without_redis(config: GatewayConfig) -> GatewayConfig:
    """Return *config* with a Redis that nobody answers for."""
    away = msgspec.structs.replace(config.redis, url="redis://127.0.0.1:1/0")
    return msgspec.structs.replace(config, redis=away)
