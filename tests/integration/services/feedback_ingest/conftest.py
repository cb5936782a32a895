"""Fixtures of the integration tests of feedback-ingest."""

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from libs.runtime.redis import RedisSettings, new_redis


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator["Redis"]:
    """A client of an empty Redis."""
    client = new_redis(RedisSettings(url=redis_url))
    yield client
    await client.aclose()


@pytest.fixture
async def no_redis() -> AsyncIterator["Redis"]:
    """A client of a Redis that is not there."""
    client = new_redis(RedisSettings(url="redis://127.0.0.1:1/0", retries=0))
    yield client
    await client.aclose()
