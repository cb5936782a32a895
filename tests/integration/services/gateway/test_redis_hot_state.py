"""Hot state in a real Redis, and in this process while Redis is away."""

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest
from redis.asyncio import Redis

from libs.contracts import state as names
from libs.contracts.state import Quarantine
from services.gateway.adapters.redis_hot_state import HotStateSettings, RedisHotState
from services.gateway.adapters.redis_wire import RedisWire, parse_address
from services.gateway.domain.limits import minute_of, month_of
from tests.unit.services.gateway.fakes import NOW_MS
from tests.unit.services.gateway.hot_state_suite import SETTLED, HotStateSuite, found_once, lookup


class Degradations(list[str]):
    def count_one(self, what: str) -> None:
        self.append(what)


@pytest.fixture
def degradations() -> Degradations:
    return Degradations()


@pytest.fixture
async def state(redis_url: str, degradations: Degradations) -> AsyncIterator[RedisHotState]:
    wire = RedisWire(parse_address(redis_url), timeout_s=2.0)
    await wire.start()
    yield RedisHotState(wire, HotStateSettings(), degradations.count_one)
    await wire.close()


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator["Redis"]:
    async with Redis.from_url(redis_url) as client:
        yield client


class TestRedisHotState(HotStateSuite):
    async def test_everything_written_expires(self, state: RedisHotState, redis: "Redis"):
        state.settle(SETTLED)
        await found_once(state, lambda found: found.cached is not None)
        written = await redis.keys("*")
        assert 7 == len(written)
        assert all([0 < await redis.ttl(name) for name in written])
        assert 60 >= await redis.ttl(names.cached_answer("t", "d"))

    async def test_the_ways_to_a_session_are_written(self, state: RedisHotState, redis: "Redis"):
        state.settle(SETTLED)
        await found_once(state, lambda found: found.cached is not None)
        aliases = [names.session_alias("t", "r"), names.session_alias("t", "c"), names.last_session("t", "k")]
        assert [b"s"] * 3 == [await redis.get(name) for name in aliases]

    async def test_an_inferred_session_is_not_the_keys_last(self, state: RedisHotState, redis: "Redis"):
        state.settle(msgspec.structs.replace(SETTLED, session_inferred=True))
        await found_once(state, lambda found: found.cached is not None)
        assert await redis.get(names.last_session("t", "k")) is None

    async def test_a_quarantine_is_found(self, state: RedisHotState, redis: "Redis"):
        quarantine = Quarantine(action="block", category="x", until_ms=NOW_MS)
        await redis.set(names.quarantine("t", "s"), msgspec.json.encode(quarantine))
        assert quarantine == (await state.look_up(lookup())).quarantine

    async def test_values_that_cannot_be_read_are_as_good_as_absent(self, state: RedisHotState, redis: "Redis"):
        for name in (names.session("t", "s"), names.quarantine("t", "s"), names.cached_answer("t", "d")):
            await redis.set(name, b"{")
        found = await state.look_up(lookup())
        assert ({}, None, None) == (found.session.pins, found.quarantine, found.cached)

    async def test_counters_of_an_odd_type_are_counted_here_instead(
        self, state: RedisHotState, redis: "Redis", degradations: Degradations
    ):
        await redis.lpush(names.minute_count("t", "k", minute_of(NOW_MS)), "x")
        found = await state.look_up(lookup())
        assert (True, 1, ["redis_reply"]) == (found.local, found.usage.minute, degradations)

    async def test_a_write_that_redis_refuses_is_counted(
        self, state: RedisHotState, redis: "Redis", degradations: Degradations
    ):
        await redis.lpush(names.month_count("t", "requests", month_of(NOW_MS)), "x")
        state.release("t", NOW_MS)
        async with asyncio.timeout(5.0):
            while not degradations:
                await redis.ping()
        assert ["redis_settle"] == degradations


async def test_without_redis_requests_are_counted_here(degradations: Degradations):
    wire = RedisWire(parse_address("redis://127.0.0.1:1/0"), timeout_s=0.2)
    await wire.start()
    state = RedisHotState(wire, HotStateSettings(), degradations.count_one)
    counts = [await state.look_up(lookup(key_id=key)) for key in ("k", "k", "k2")]
    state.settle(SETTLED)
    await wire.close()
    assert [(1, 1), (2, 2), (1, 3)] == [(found.usage.minute, found.usage.month) for found in counts]
    assert ["redis"] * 3 + ["redis_settle"] == degradations
