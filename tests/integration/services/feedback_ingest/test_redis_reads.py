"""What the gateway and the router wrote to Redis is found: sessions of completions and keys, and quotas of plans."""

import msgspec
import pytest
from redis.asyncio import Redis

from libs.contracts import state
from services.feedback_ingest.adapters.redis_plans import RedisPlans
from services.feedback_ingest.adapters.redis_sessions import RedisSessions
from services.feedback_ingest.ports import StoreUnavailableError


async def test_sessions_are_found_per_tenant(redis: "Redis"):
    await redis.set(state.session_alias("acme", "chatcmpl-1"), "s-é")
    await redis.set(state.last_session("acme", "k1"), "s-2")
    sessions = RedisSessions(redis, deadline_s=2.0)
    assert ("s-é", None) == (
        await sessions.of_alias("acme", "chatcmpl-1"),
        await sessions.of_alias("beta", "chatcmpl-1"),
    )
    assert ("s-2", None) == (await sessions.last_of_key("acme", "k1"), await sessions.last_of_key("acme", "k2"))


async def test_a_plan_is_remembered_for_a_while(redis: "Redis"):
    now_s = 100.0
    plans = RedisPlans(redis, deadline_s=2.0, keep_s=10.0, clock_s=lambda: now_s)
    key = state.plan("starter")
    await redis.set(key, msgspec.json.encode(state.Plan(name="starter", monthly_feedback=500)))
    assert 500 == await plans.monthly_feedback("starter")
    await redis.delete(key)
    now_s = 109.0
    assert 500 == await plans.monthly_feedback("starter")
    now_s = 110.0
    assert await plans.monthly_feedback("starter") is None


async def test_without_redis_nothing_is_known(no_redis: "Redis"):
    with pytest.raises(StoreUnavailableError):
        await RedisSessions(no_redis, deadline_s=1.0).last_of_key("acme", "k1")
    with pytest.raises(StoreUnavailableError):
        await RedisPlans(no_redis, deadline_s=1.0, keep_s=1.0, clock_s=lambda: 0.0).monthly_feedback("starter")
