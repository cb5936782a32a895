"""Policies are read and quarantines written where the gateway keeps them, and Redis' absence has one name."""

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest
from msgspec.structs import asdict
from redis.asyncio import Redis

from libs.contracts import state
from libs.contracts.state import FeedbackMark, FirewallPolicy, Quarantine, TenantPolicy
from libs.runtime.redis import RedisSettings, new_redis
from services.firewall import commands
from services.firewall.adapters.redis_labels import RedisMarks, RedisSessions
from services.firewall.adapters.redis_policies import RedisPolicies
from services.firewall.adapters.redis_quarantines import RedisQuarantines
from services.firewall.ports import StoreUnavailableError
from tests.unit.services.firewall.quarantines_suite import HOSTILE, NOW_MS, QuarantinesSuite

EVIDENCE_MS = 3_600_000


def new_quarantines(redis: "Redis") -> RedisQuarantines:
    return RedisQuarantines(redis, deadline_s=1, evidence_ms=EVIDENCE_MS)


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


class TestRedisQuarantines(QuarantinesSuite):
    @pytest.fixture
    def quarantines(self, redis: "Redis") -> RedisQuarantines:
        return new_quarantines(redis)


async def test_a_quarantine_lies_under_the_shared_key_and_expires_and_so_does_the_evidence(redis: "Redis"):
    await new_quarantines(redis).weigh("acme", "s-1", {"a": 1.5}, HOSTILE, now_ms=NOW_MS)
    key = state.quarantine("acme", "s-1")
    assert HOSTILE == msgspec.json.decode(await redis.get(key), type=Quarantine)
    assert 0 < await redis.pttl(key) <= 60_000
    assert 60_000 < await redis.pttl(state.evidence("acme", "s-1")) <= EVIDENCE_MS


async def test_after_its_quarantine_a_session_goes_on_until_it_says_something_new(redis: "Redis"):
    quarantines = new_quarantines(redis)
    await quarantines.weigh("acme", "s-1", {"a": 1.5}, HOSTILE, now_ms=NOW_MS)
    await redis.delete(state.quarantine("acme", "s-1"))
    assert (await quarantines.weigh("acme", "s-1", {"a": 1.5}, HOSTILE, now_ms=NOW_MS)).quarantine is None
    assert HOSTILE == (await quarantines.weigh("acme", "s-1", {"b": 0.2}, HOSTILE, now_ms=NOW_MS)).quarantine


async def test_released_evidence_expires_too(redis: "Redis"):
    quarantines = new_quarantines(redis)
    await quarantines.weigh("acme", "s-1", {"a": 1.5}, HOSTILE, now_ms=NOW_MS)
    await quarantines.release("acme", "s-1")
    assert 0 < await redis.pttl(state.evidence("acme", "s-1")) <= EVIDENCE_MS


async def test_an_operator_lists_and_releases(redis: "Redis", redis_url: str, capsys: pytest.CaptureFixture[str]):
    await new_quarantines(redis).weigh("acme", "s-1", {"a": 1.5}, HOSTILE, now_ms=NOW_MS)

    async def told(*arguments: str) -> tuple[int, str]:
        code = await asyncio.to_thread(commands.main, ["quarantines", *arguments], env={"REDIS_URL": redis_url})
        return code, capsys.readouterr().out

    _, line = await told("list", "--tenant", "acme")
    assert {"session_id": "s-1", **asdict(HOSTILE)} == msgspec.json.decode(line)
    release = ("release", "--tenant", "acme", "--session", "s-1")
    assert [(0, line), (1, "")] == [await told(*release), await told(*release)]
    assert (0, "") == await told("list", "--tenant", "acme")


def test_without_redis_a_command_says_so(capsys: pytest.CaptureFixture[str]):
    env = {"REDIS_URL": "redis://127.0.0.1:1/0", "REDIS_RETRIES": "0"}
    assert 1 == commands.main(["quarantines", "list", "--tenant", "acme"], env=env)
    assert "Redis does not answer" in capsys.readouterr().err


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
        await new_quarantines(client).weigh("acme", "s-1", {"a": 1.0}, HOSTILE, now_ms=NOW_MS)
    await client.aclose()
