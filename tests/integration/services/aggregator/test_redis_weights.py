"""Weights, pool and policies in a real Redis."""

import asyncio

import msgspec
import pytest

from libs.contracts import state
from libs.contracts.events import WeightsPublished
from libs.contracts.state import CHANGES_CHANNEL, Changed, TenantPolicy
from services.aggregator.adapters.redis_policies import RedisPolicies
from services.aggregator.adapters.redis_pool import RedisPool
from services.aggregator.adapters.redis_weights import OUTBOX_LENGTH, RedisWeights
from tests.unit.services.aggregator.waiting import until
from tests.unit.services.aggregator.weights_suite import PoolSuite, WeightsSuite, published


class TestRedisWeights(WeightsSuite):
    @pytest.fixture
    def weights(self, redis):
        return RedisWeights(redis)

    async def test_gateways_read_them_under_the_contracts_key(self, weights, redis):
        await weights.replace("acme", await weights.read("acme"), published(1))
        assert published(1) == msgspec.json.decode(await redis.get(state.weights("acme")), type=WeightsPublished)

    async def test_of_many_that_race_one_wins_each_version(self, weights):
        async def publish():
            read = await weights.read("acme")
            version = read.weights.version + 1 if read.weights else 1
            return await weights.replace("acme", read, published(version))

        won = sum([sum(await asyncio.gather(*(publish() for _ in range(8)))) for _ in range(5)])
        assert won == (await weights.read("acme")).weights.version

    async def test_the_outbox_is_bounded(self, weights):
        for version in range(1, OUTBOX_LENGTH + 5):
            await weights.replace("acme", await weights.read("acme"), published(version))
        waiting = await weights.unsent("acme")
        assert OUTBOX_LENGTH == len(waiting)
        assert OUTBOX_LENGTH + 4 == msgspec.json.decode(waiting[-1])["version"]

    async def test_an_announcement_reaches_who_listens(self, weights, redis):
        changed = Changed(kind="weights", tenant="acme", version=3)
        async with redis.pubsub(ignore_subscribe_messages=True) as listener:
            await listener.subscribe(CHANGES_CHANNEL)
            await listener.get_message(timeout=1)
            await weights.announce(changed)
            message = await listener.get_message(timeout=5)
        assert changed == msgspec.json.decode(message["data"], type=Changed)


class TestRedisPool(PoolSuite):
    @pytest.fixture
    def pool(self, redis):
        return RedisPool(redis)

    async def test_a_lease_that_is_not_renewed_runs_out(self, pool):
        assert await pool.lease("a", 0.05)
        await until(lambda: pool.lease("b", 0.05))


async def test_a_tenant_without_a_policy_has_the_defaults(redis):
    stored = TenantPolicy(tenant="beta", contribute=False)
    await redis.set(state.policy("beta"), msgspec.json.encode(stored))
    assert {"acme": TenantPolicy(tenant="acme"), "beta": stored} == await RedisPolicies(redis).of_tenants(
        ["acme", "beta"]
    )
    assert {} == await RedisPolicies(redis).of_tenants([])
