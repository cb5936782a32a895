"""The whole service on real backends: from events in Kafka to weights in Redis and rows in ClickHouse."""

import asyncio
import time
from contextlib import asynccontextmanager
from uuid import uuid4

import aiohttp
import msgspec
import pytest
from aiohttp import web

from libs.contracts import state
from libs.contracts.events import RequestCompleted, WeightsPublished, session_key
from libs.contracts.topics import FEEDBACK, REQUESTS
from libs.kafka.ports import SendError
from libs.kafka.record import Message
from libs.kafka.sender import KafkaSender
from libs.kafka.settings import JournalSettings, KafkaSettings
from libs.runtime.clock import epoch_ms
from libs.runtime.redis import RedisSettings
from services.aggregator import commands
from services.aggregator.adapters.clickhouse_client import ClickHouseClient
from services.aggregator.app import build_app
from services.aggregator.config import AggregatorConfig, ClickHouseSettings
from tests.unit.services.aggregator.waiting import until
from tests.unit.services.aggregator.world import feedback, request

PROVIDERS = """
[providers.simulated]
base_url = "http://127.0.0.1:1/v1"
models = [{ upstream_id = "m1" }, { upstream_id = "m2" }]
"""


@pytest.fixture
def config(kafka, redis_url, clickhouse_url, tmp_path):
    return configured(kafka, redis_url, clickhouse_url, tmp_path, shard="0/1")


@pytest.fixture
def group_config(apache_kafka, redis_url, clickhouse_url, tmp_path):
    return configured(apache_kafka, redis_url, clickhouse_url, tmp_path, shard="")


def configured(kafka, redis_url, clickhouse_url, tmp_path, *, shard):
    catalogue = tmp_path / "providers.toml"
    catalogue.write_text(PROVIDERS)
    return AggregatorConfig(
        port=0,
        redis=RedisSettings(url=redis_url),
        kafka=KafkaSettings(bootstrap=kafka.bootstrap, idempotent=kafka.idempotent, shard=shard),
        journal=JournalSettings(directory=tmp_path / "journal"),
        clickhouse=ClickHouseSettings(url=clickhouse_url),
        providers_file=catalogue,
    )


@asynccontextmanager
async def serving(config):
    """Serve, and yield the address."""
    runner = web.AppRunner(build_app(config))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@pytest.fixture
async def client(clickhouse_url):
    client = ClickHouseClient(clickhouse_url)
    yield client
    await client.close()


@pytest.fixture
async def send(config):
    sender = KafkaSender(config.kafka, [REQUESTS, FEEDBACK])

    async def send(*events):
        await sender.send([_message(event) for event in events])

    yield send
    await sender.close()


@pytest.fixture
def tenant():
    return f"t{uuid4().hex[:8]}"


def _message(event):
    topic = "requests" if isinstance(event, RequestCompleted) else "feedback"
    key = session_key(event.tenant, event.session_id)
    return Message(topic=topic, key=key, value=msgspec.json.encode(event), timestamp_ms=epoch_ms())


async def weights_of(redis, tenant):
    stored = await redis.get(state.weights(tenant))
    return msgspec.json.decode(stored, type=WeightsPublished) if stored else None


async def rated(redis, tenant, sessions):
    weights = await weights_of(redis, tenant)
    return weights is not None and weights.rated_sessions >= sessions


async def test_a_rating_is_in_the_weights_within_two_seconds_and_every_event_in_clickhouse(
    config, redis, client, send, tenant
):
    now_ms = epoch_ms()
    hops = [request(f"{tenant}-{n}", tenant=tenant, created_at_ms=now_ms, model=f"m{1 + n % 2}") for n in range(12)]
    async with serving(config) as address:
        await send(*hops)
        await until(lambda: rated_requests(redis, tenant, 12))
        begin_s = time.monotonic()
        await send(feedback(f"{tenant}-f", tenant=tenant, score=0.9, received_at_ms=epoch_ms()))
        await until(lambda: rated(redis, tenant, 1))
        assert time.monotonic() - begin_s < 2.0
        weights = await weights_of(redis, tenant)
        assert ("auto", 12) == (weights.phase, weights.requests)
        assert {"m1", "m2"} == {m for m, item in weights.tasks["chat"].items() if item.session is not None}
        await until(lambda: counted(client, "requests", tenant, 12))
        await until(lambda: counted(client, "feedback", tenant, 1))
        await until(lambda: logged_version(client, tenant, weights.version))
        async with aiohttp.ClientSession() as session:
            async with session.get(f"{address}/readyz") as answer:
                assert 200 == answer.status
            async with session.get(f"{address}/metrics") as answer:
                assert 'role="learn",topic="requests"} 0.0' in await answer.text()


async def test_the_commands_agree_with_the_service(config, redis, send, tenant, capsys):
    async with serving(config):
        await send(request(tenant, tenant=tenant), feedback(f"{tenant}-f", tenant=tenant))
        await until(lambda: rated(redis, tenant, 1))
        assert 0 == await asyncio.to_thread(commands.main, ["verify"], env=environment(config))
        assert ", 0 differ" in capsys.readouterr().out
        assert 1 == await asyncio.to_thread(commands.main, ["rebuild"], env=environment(config))
        assert "running owners" in capsys.readouterr().err
    await redis.flushdb()
    assert 0 == await asyncio.to_thread(commands.main, ["rebuild"], env=environment(config))
    assert 0 == await asyncio.to_thread(commands.main, ["verify"], env=environment(config))


async def test_a_member_of_a_group_survives_an_outage_of_the_broker(group_config, apache_kafka, redis, tenant):
    sender = KafkaSender(group_config.kafka, [REQUESTS, FEEDBACK])
    async with serving(group_config):
        await sender.send([_message(request(tenant, tenant=tenant)), _message(feedback(f"{tenant}-f", tenant=tenant))])
        await until(lambda: rated(redis, tenant, 1), deadline_s=60)
        apache_kafka.stop()
        apache_kafka.start()
        other = feedback(f"{tenant}-g", tenant=tenant, session_id="s2")
        await until(lambda: sent(sender, request(f"{tenant}-2", tenant=tenant, session_id="s2"), other), deadline_s=60)
        await until(lambda: rated(redis, tenant, 2), deadline_s=60)
    await sender.close()


def test_an_absent_clickhouse_is_a_failure_in_words(capsys):
    env = {"CLICKHOUSE_URL": "clickhouse://default@127.0.0.1:9/default", "CLICKHOUSE_CONNECT_TIMEOUT_S": "0.2"}
    assert 1 == commands.main(["migrate"], env=env)
    assert "LogUnavailableError" in capsys.readouterr().err


async def sent(sender, *events):
    try:
        await sender.send([_message(event) for event in events])
    except SendError:
        return False
    return True


async def rated_requests(redis, tenant, requests):
    weights = await weights_of(redis, tenant)
    return weights is not None and weights.requests >= requests


async def counted(client, table, tenant, rows):
    query = f"SELECT count() FROM {table} FINAL WHERE tenant = %(tenant)s"  # noqa: S608 - our own table names
    return list(await client.query(query, {"tenant": tenant})) == [(rows,)]


async def logged_version(client, scope, version):
    query = "SELECT count() FROM weights WHERE scope = %(scope)s AND version = %(version)s"
    return list(await client.query(query, {"scope": scope, "version": version})) == [(1,)]


def environment(config):
    return {
        "REDIS_URL": config.redis.url,
        "CLICKHOUSE_URL": config.clickhouse.url,
        "KAFKA_BOOTSTRAP": config.kafka.bootstrap,
    }
