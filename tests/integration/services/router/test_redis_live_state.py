"""Live state is what gateways have in Redis: the weights of each scope, and what sessions remember."""

import msgspec
from redis.asyncio import Redis

from libs.contracts import state
from libs.contracts.events import WeightsPublished
from libs.contracts.state import POOL, SessionState
from libs.routing.phases import TABLE
from libs.routing.priors import load_priors
from services.router.adapters.redis_live_state import RedisLiveState


def published(scope: str) -> WeightsPublished:
    return WeightsPublished(
        event_id=scope, scope=scope, version=1, published_at_ms=1, phase="nps", weights=TABLE["nps"]
    )


async def put(redis: "Redis", key: str, value: msgspec.Struct) -> None:
    await redis.set(key, msgspec.json.encode(value))


async def test_each_scope_has_its_own_weights_or_none_yet(redis: "Redis"):
    live = RedisLiveState(redis)
    assert await live.weights(POOL) is None
    await put(redis, state.weights(POOL), published(POOL))
    await put(redis, state.weights("acme"), published("acme"))
    assert (published(POOL), published("acme")) == (await live.weights(POOL), await live.weights("acme"))
    assert await live.weights("other") is None


async def test_a_session_remembers_its_models_and_an_unknown_one_nothing(redis: "Redis"):
    live, kept = RedisLiveState(redis), SessionState(pins={"math": "small"})
    await put(redis, state.session("acme", "s1"), kept)
    assert (kept, SessionState()) == (await live.session("acme", "s1"), await live.session("other", "s1"))


async def test_a_loaded_table_is_read_and_one_that_nobody_can_use_is_not(redis: "Redis"):
    live, own = RedisLiveState(redis), msgspec.structs.replace(load_priors(), built_on="2027-01-01")
    assert load_priors() is await live.benchmarks()
    await put(redis, state.priors(), own)
    assert own == await live.benchmarks() is await live.benchmarks()
    await redis.set(state.priors(), b"{}")
    assert own == await live.benchmarks()
