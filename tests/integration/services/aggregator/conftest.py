"""Adapters on real backends."""

import pytest
from redis.asyncio import Redis

from services.aggregator.adapters import clickhouse_migrations
from services.aggregator.adapters.clickhouse_client import ClickHouseClient
from services.aggregator.adapters.clickhouse_log import ClickHouseLog
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


@pytest.fixture
async def client(clickhouse_url):
    client = ClickHouseClient(clickhouse_url)
    await clickhouse_migrations.migrate(client, clickhouse_migrations.shipped())
    yield client
    await client.close()


@pytest.fixture
def log(client):
    return ClickHouseLog(client)
