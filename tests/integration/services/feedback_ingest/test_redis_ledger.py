"""The ledger in Redis behaves as its fake does, lets one of many through, forgets in time and says when it cannot know."""

import asyncio

import pytest
from redis.asyncio import Redis

from libs.contracts import state
from services.feedback_ingest.adapters.redis_ledger import RedisLedger
from services.feedback_ingest.domain.ratings import mark_key
from services.feedback_ingest.ports import Quota, StoreUnavailableError
from tests.unit.services.feedback_ingest.ledger_suite import MONTH, LedgerSuite, rating, text


def ledger_in(redis: "Redis") -> RedisLedger:
    return RedisLedger(redis, mark_ttl_s=1000, deadline_s=2.0)


class TestRedisLedger(LedgerSuite):
    @pytest.fixture
    def ledger(self, redis: "Redis") -> RedisLedger:
        return ledger_in(redis)


async def test_of_many_at_once_one_wins_and_one_is_counted(redis: "Redis"):
    ledger, quota = ledger_in(redis), Quota(month=MONTH, limit=10)
    events = [rating(score=number / 100) for number in range(50)]
    found = await asyncio.gather(*(ledger.claim(event, quota) for event in events))
    [winner] = [event for event, mark in zip(events, found, strict=True) if mark is None]
    assert {text(winner)} == {mark.event for mark in found if mark is not None}
    assert b"1" == await redis.get(state.month_count("acme", "feedback", MONTH))


async def test_marks_and_counts_expire_and_settling_keeps_the_time(redis: "Redis"):
    ledger, event = ledger_in(redis), rating()
    await ledger.claim(event, Quota(month=MONTH))
    mark = await ledger.find(mark_key(event))
    assert mark is not None
    await ledger.settle(mark_key(event), mark)
    assert 0 < await redis.ttl(mark_key(event)) <= 1000
    assert 0 < await redis.ttl(state.month_count("acme", "feedback", MONTH))


async def test_without_redis_nothing_is_known(no_redis: "Redis"):
    ledger = ledger_in(no_redis)
    with pytest.raises(StoreUnavailableError):
        await ledger.find("key")
    with pytest.raises(StoreUnavailableError):
        await ledger.claim(rating(), None)


async def test_a_redis_that_hangs_costs_no_more_than_the_deadline(redis: "Redis"):
    ledger = RedisLedger(redis, mark_ttl_s=10, deadline_s=0.05)
    await redis.client_pause(400, all=True)
    with pytest.raises(StoreUnavailableError):
        await ledger.find("key")
