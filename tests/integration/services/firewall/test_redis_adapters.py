"""Policies are read and quarantines written where the gateway keeps them, and Redis' absence has one name."""

from collections.abc import AsyncIterator

import msgspec
import pytest
from redis.asyncio import Redis

from libs.contracts import state
from libs.contracts.state import FeedbackMark, FirewallPolicy, Quarantine, TenantPolicy
from libs.runtime.redis import RedisSettings, new_redis
from services.firewall.adapters.redis_labels import RedisMarks, RedisSessions
from services.firewall.adapters.redis_policies import RedisPolicies
from services.firewall.adapters.redis_quarantines import RedisQuarantines
from services.firewall.ports import StoreUnavailableError

NOW_MS = 1_795_370_400_000
HOSTILE = Quarantine(action="block", category="indirect_injection", until_ms=NOW_MS + 60_000)


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator["Redis"]:
    """A client of an empty Redis."""
    client = new_redis(RedisSettings(url=redis_url))
    yield client
    await client.aclose()


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


async def test_a_policy_is_read_once_until_it_is_old(redis: "Redis"):
    clock = Clock()
    policies = RedisPolicies(redis, deadline_s=1, keep_s=10, clock_s=clock)
    assert FirewallPolicy() == await policies.of("acme")
    policy = FirewallPolicy(mode="flag", block_threshold=0.8)
    await redis.set(state.policy("acme"), msgspec.json.encode(TenantPolicy(tenant="acme", firewall=policy)))
    assert FirewallPolicy() == await policies.of("acme")
    clock.now_s = 10.0
    assert policy == await policies.of("acme")


async def test_a_quarantine_lies_under_the_shared_key_and_expires(redis: "Redis"):
    await RedisQuarantines(redis, deadline_s=1).put("acme", "s-1", HOSTILE, now_ms=NOW_MS)
    key = state.quarantine("acme", "s-1")
    assert HOSTILE == msgspec.json.decode(await redis.get(key), type=Quarantine)
    assert 0 < await redis.pttl(key) <= 60_000


async def test_a_quarantine_of_the_past_is_not_written(redis: "Redis"):
    await RedisQuarantines(redis, deadline_s=1).put("acme", "s-1", HOSTILE, now_ms=HOSTILE.until_ms)
    assert await redis.get(state.quarantine("acme", "s-1")) is None


async def test_the_first_mark_stands_and_is_settled_within_its_time(redis: "Redis"):
    marks = RedisMarks(redis, ttl_s=60, deadline_s=1)
    first, later = FeedbackMark(event="first"), FeedbackMark(event="later")
    assert [None, first] == [await marks.claim("k", first), await marks.claim("k", later)]
    settled = FeedbackMark(event="first", published=True)
    await marks.settle("k", settled)
    assert settled == await marks.claim("k", later)
    assert 0 < await redis.ttl("k") <= 60


async def test_a_request_leads_to_its_session(redis: "Redis"):
    await redis.set(state.session_alias("acme", "r-1"), "s-1")
    sessions = RedisSessions(redis, deadline_s=1)
    assert ["s-1", None] == [await sessions.of_alias(tenant, "r-1") for tenant in ("acme", "beta")]


async def test_redis_away_is_one_error():
    client = new_redis(RedisSettings(url="redis://127.0.0.1:1/0", retries=0))
    with pytest.raises(StoreUnavailableError):
        await RedisPolicies(client, deadline_s=1, keep_s=10, clock_s=Clock()).of("acme")
    with pytest.raises(StoreUnavailableError):
        await RedisQuarantines(client, deadline_s=1).put("acme", "s-1", HOSTILE, now_ms=NOW_MS)
    await client.aclose()
