"""Adapters on real backends."""

import pytest
from redis.asyncio import Redis

from services.aggregator.adapters.redis_learning import RedisLearning
from services.aggregator.adapters.redis_statistics import RedisStatistics

PARTITIONS = 4


@pytest.fixture
async def redis(redis_url):
    client = Redis.from_url(redis_url)
    yield client
    await client.aclose()


@pytest.fixture
def state(redis):
    return RedisLearning(redis, session_ttl_s=60)


@pytest.fixture
def statistics(redis):
    return RedisStatistics(redis, partitions=PARTITIONS)
