"""Callers and weights from a real Redis: read once, refreshed by news, kept while Redis is away."""

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest
from redis.asyncio import Redis

from libs.contracts import state
from libs.contracts.events import Estimate, ModelEstimates, SourceWeights, WeightsPublished
from libs.contracts.state import POOL, ApiKey, Changed, OptimizationGates, Plan, RoutingRule, TenantPolicy
from libs.routing.priors import Priors, day0, load_priors
from libs.runtime.redis import RedisSettings, new_redis
from services.gateway.adapters.redis_benchmarks import RedisBenchmarks
from services.gateway.adapters.redis_changes import RedisChanges
from services.gateway.adapters.redis_directory import DirectorySettings, RedisDirectory
from services.gateway.adapters.redis_weights import RedisWeights
from services.gateway.ports import DirectoryUnavailableError
from tests.integration.services.gateway.conftest import eventually
from tests.unit.services.gateway.fakes import CATALOGUE, NOW_MS, FakeDirectory, caller

DAY0 = day0(load_priors(), CATALOGUE.models.values(), now_ms=NOW_MS)
DIGEST = state.secret_sha256("sk-1")


class Seconds:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


class Counter(list[str]):
    def count_one(self, what: str) -> None:
        self.append(what)


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator["Redis"]:
    client = new_redis(RedisSettings(url=redis_url))
    yield client
    await client.aclose()


@pytest.fixture
async def away() -> AsyncIterator["Redis"]:
    client = new_redis(RedisSettings(url="redis://127.0.0.1:1/0", retries=0))
    yield client
    await client.aclose()


@pytest.fixture
def clock() -> Seconds:
    return Seconds()


@pytest.fixture
def degraded() -> Counter:
    return Counter()


class TestDirectory:
    @pytest.fixture
    def directory(self, redis: "Redis", clock: Seconds, degraded: Counter) -> RedisDirectory:
        return RedisDirectory(
            redis, FakeDirectory(**{"sk-file": caller()}), DirectorySettings(), clock, degraded.count_one
        )

    async def write(self, redis: "Redis", **key: object) -> None:
        stored = ApiKey(**{"key_id": "k", "tenant": "acme"} | key)
        await redis.set(state.api_key(DIGEST), msgspec.json.encode(stored))

    async def test_a_key_comes_with_policy_plan_and_rules(self, redis: "Redis", directory: RedisDirectory):
        await self.write(redis)
        policy = TenantPolicy(tenant="acme", plan="pro")
        rule = RoutingRule(rule_id="r", name="cheap")
        await redis.set(state.policy("acme"), msgspec.json.encode(policy))
        await redis.set(state.plan("pro"), msgspec.json.encode(Plan(name="pro", monthly_requests=3)))
        await redis.hset(state.rules("acme"), "r", msgspec.json.encode(rule))
        found = await directory.find(DIGEST)
        assert found is not None
        assert ("k", policy, 3, {"r": rule}) == (
            found.key.key_id,
            found.policy,
            found.plan.monthly_requests,
            found.rules,
        )

    async def test_a_key_comes_with_the_gates_of_its_tenant_and_their_change_is_seen(
        self, redis: "Redis", directory: RedisDirectory
    ):
        await self.write(redis)
        gates = OptimizationGates(confidence_threshold=0.9)
        await redis.hset(state.gates("acme"), state.ANY_ROUTE, msgspec.json.encode(gates))
        found = await directory.find(DIGEST)
        assert found is not None
        assert {state.ANY_ROUTE: gates} == found.gates
        await redis.hdel(state.gates("acme"), state.ANY_ROUTE)
        await directory.changed(Changed(kind="gates", tenant="acme"))

        async def gone() -> bool:
            newer = await directory.find(DIGEST)
            return newer is not None and not newer.gates

        await eventually(gone)

    async def test_a_key_without_more_has_defaults(self, redis: "Redis", directory: RedisDirectory):
        await self.write(redis)
        found = await directory.find(DIGEST)
        assert found is not None
        assert (TenantPolicy(tenant="acme"), Plan(name="starter"), {}) == (found.policy, found.plan, found.rules)

    async def test_all_keys_of_a_tenant_share_the_very_same_policy(self, redis: "Redis", directory: RedisDirectory):
        other = state.secret_sha256("sk-other")
        await redis.set(state.policy("acme"), msgspec.json.encode(TenantPolicy(tenant="acme", plan="pro")))
        await self.write(redis)
        await redis.set(state.api_key(other), msgspec.json.encode(ApiKey(key_id="k2", tenant="acme")))
        one, two = await directory.find(DIGEST), await directory.find(other)
        assert one is not None
        assert two is not None
        assert one.policy is two.policy, "plans of decisions are kept by identity"

    async def test_unknown_and_revoked_keys_are_nobodys(self, redis: "Redis", directory: RedisDirectory):
        assert await directory.find(state.secret_sha256("nope")) is None
        await self.write(redis, revoked=True)
        assert await directory.find(DIGEST) is None

    async def test_a_key_of_the_file_holds_where_redis_does_not_know_it(self, directory: RedisDirectory):
        assert await directory.find(state.secret_sha256("sk-file")) is not None

    async def test_news_brings_a_change_at_once(self, redis: "Redis", directory: RedisDirectory):
        await self.write(redis)
        assert await directory.find(DIGEST) is not None
        await self.write(redis, revoked=True)
        await directory.changed(Changed(kind="key", tenant="acme"))

        async def gone() -> bool:
            return await directory.find(DIGEST) is None

        await eventually(gone)

    async def test_without_news_a_change_arrives_with_the_next_refresh(
        self, redis: "Redis", directory: RedisDirectory, clock: Seconds
    ):
        await self.write(redis)
        before = await directory.find(DIGEST)
        await self.write(redis, revoked=True)
        assert before is await directory.find(DIGEST)
        clock.now_s += 11

        async def gone() -> bool:
            return await directory.find(DIGEST) is None

        await eventually(gone)

    async def test_a_new_key_is_found_soon_after_it_was_unknown(
        self, redis: "Redis", directory: RedisDirectory, clock: Seconds
    ):
        assert await directory.find(DIGEST) is None
        await self.write(redis)
        assert await directory.find(DIGEST) is None
        clock.now_s += 6
        assert await directory.find(DIGEST) is not None

    async def test_many_requests_with_a_new_key_ask_once(self, redis: "Redis", directory: RedisDirectory):
        await self.write(redis)
        found = await asyncio.gather(*(directory.find(DIGEST) for _ in range(50)))
        assert 1 == len({id(one) for one in found})

    async def test_a_known_key_stays_valid_while_redis_is_away(
        self, redis: "Redis", directory: RedisDirectory, clock: Seconds, degraded: Counter, away: "Redis"
    ):
        await self.write(redis)
        known = await directory.find(DIGEST)
        directory._client = away
        clock.now_s += 11
        assert known is await directory.find(DIGEST)

        async def noticed() -> bool:
            return degraded == ["directory"]

        await eventually(noticed)
        assert known is await directory.find(DIGEST)

    async def test_without_redis_the_file_decides_and_nobody_calls_a_key_invalid(
        self, away: "Redis", clock: Seconds, degraded: Counter
    ):
        directory = RedisDirectory(
            away, FakeDirectory(**{"sk-file": caller()}), DirectorySettings(), clock, degraded.count_one
        )
        assert await directory.find(state.secret_sha256("sk-file")) is not None
        with pytest.raises(DirectoryUnavailableError):
            await directory.find(DIGEST)


def published(scope: str, version: int, mean: float, model: str = "a") -> WeightsPublished:
    return WeightsPublished(
        event_id=f"{scope}{version}",
        scope=scope,
        version=version,
        published_at_ms=NOW_MS,
        phase="nps",
        weights=SourceWeights(session=1.0),
        tasks={"chat": {model: ModelEstimates(benchmark=Estimate(mean=mean, variance=0.01))}},
    )


class TestWeights:
    @pytest.fixture
    def weights(self, redis: "Redis", degraded: Counter) -> RedisWeights:
        return RedisWeights(redis, DAY0, 0.05, degraded.count_one)

    async def write(self, redis: "Redis", snapshot: WeightsPublished) -> None:
        await redis.set(state.weights(snapshot.scope), msgspec.json.encode(snapshot))

    async def test_nobody_has_rated_anything_on_day_0(self, weights: RedisWeights):
        assert DAY0 is await weights.of("acme", consume=True)

    async def test_a_tenants_weights_lie_over_day_0(self, redis: "Redis", weights: RedisWeights):
        await self.write(redis, published("acme", 3, 0.9))
        found = await weights.of("acme", consume=True)
        assert (3, "nps", 0.9) == (found.version, found.phase, found.tasks["chat"]["a"].benchmark.mean)
        assert DAY0.tasks["chat"]["b"] == found.tasks["chat"]["b"]
        assert DAY0.tasks["coding"] == found.tasks["coding"]
        assert found is await weights.of("acme", consume=True), "plans of decisions are kept by identity"

    async def test_a_new_tenant_begins_on_the_pool_unless_it_opted_out(self, redis: "Redis", weights: RedisWeights):
        await self.write(redis, published(POOL, 7, 0.8))
        await weights.changed(Changed(kind="weights", tenant=POOL, version=7))
        found = await weights.of("acme", consume=True)
        assert (7, "day0", DAY0.weights, True, 0.8) == (
            found.version,
            found.phase,
            found.weights,
            found.pool_used,
            found.tasks["chat"]["a"].benchmark.mean,
        )
        assert DAY0 is await weights.of("acme", consume=False)

    async def test_news_replaces_the_snapshot_of_a_known_tenant(self, redis: "Redis", weights: RedisWeights):
        await weights.of("acme", consume=True)
        await self.write(redis, published("acme", 1, 0.7))
        assert DAY0 is await weights.of("acme", consume=True)
        await weights.changed(Changed(kind="weights", tenant="acme", version=1))
        assert 1 == (await weights.of("acme", consume=True)).version

    async def test_lost_news_is_made_up_for_by_polling(self, redis: "Redis", weights: RedisWeights):
        await weights.of("acme", consume=True)
        stop = asyncio.Event()
        polling = asyncio.create_task(weights.poll(stop))
        await self.write(redis, published("acme", 1, 0.7))

        async def arrived() -> bool:
            return 1 == (await weights.of("acme", consume=True)).version

        await eventually(arrived)
        stop.set()
        await polling

    async def test_a_snapshot_that_cannot_be_read_leaves_the_last_one(
        self, redis: "Redis", weights: RedisWeights, degraded: Counter
    ):
        await self.write(redis, published("acme", 1, 0.7))
        await weights.of("acme", consume=True)
        await redis.set(state.weights("acme"), b"{")
        await weights.changed(None)
        assert 1 == (await weights.of("acme", consume=True)).version
        assert ["weights"] == degraded

    async def test_without_redis_the_last_snapshot_stays_and_a_new_tenant_has_day_0(
        self, redis: "Redis", weights: RedisWeights, degraded: Counter, away: "Redis"
    ):
        await self.write(redis, published("acme", 1, 0.7))
        await weights.of("acme", consume=True)
        weights._client = away
        await weights.changed(None)
        assert 1 == (await weights.of("acme", consume=True)).version
        assert DAY0 is await weights.of("new", consume=True)
        assert ["weights"] * 2 == degraded


class TestBenchmarks:
    OWN = msgspec.structs.replace(load_priors(), built_on="2027-01-01", price_intercept=3.0)

    @pytest.fixture
    def taken(self) -> list[Priors]:
        return []

    @pytest.fixture
    def benchmarks(self, redis: "Redis", taken: list[Priors], degraded: Counter) -> RedisBenchmarks:
        return RedisBenchmarks(redis, taken.append, 0.05, degraded.count_one)

    async def test_a_loaded_table_is_taken_up_once_and_so_is_the_way_back(
        self, redis: "Redis", benchmarks: RedisBenchmarks, taken: list[Priors]
    ):
        await benchmarks.changed(None)
        assert [] == taken
        await redis.set(state.priors(), msgspec.json.encode(self.OWN))
        await benchmarks.changed(Changed(kind="weights", tenant="acme"))
        assert [] == taken
        for _ in range(2):
            await benchmarks.changed(Changed(kind="priors", tenant=state.PLATFORM))
        assert [self.OWN] == taken
        await redis.delete(state.priors())
        await benchmarks.changed(None)
        assert [self.OWN, load_priors()] == taken

    async def test_lost_news_is_made_up_for_by_polling(
        self, redis: "Redis", benchmarks: RedisBenchmarks, taken: list[Priors]
    ):
        stop = asyncio.Event()
        polling = asyncio.create_task(benchmarks.poll(stop))
        await redis.set(state.priors(), msgspec.json.encode(self.OWN))

        async def arrived() -> bool:
            return [self.OWN] == taken

        await eventually(arrived)
        stop.set()
        await polling

    async def test_a_table_that_nobody_can_use_is_counted_and_not_taken(
        self, redis: "Redis", benchmarks: RedisBenchmarks, taken: list[Priors], degraded: Counter
    ):
        await redis.set(state.priors(), b'{"built_on":"2027-01-01"}')
        await benchmarks.changed(None)
        assert ([], ["benchmarks"]) == (taken, degraded)

    async def test_a_new_day_0_lies_under_what_tenants_have_and_replaces_the_rest(self, redis: "Redis"):
        weights = RedisWeights(redis, DAY0, 0.05, lambda _: None)
        await redis.set(state.weights("acme"), msgspec.json.encode(published("acme", 3, 0.9)))
        await weights.of("acme", consume=True)
        again = day0(self.OWN, CATALOGUE.models.values(), now_ms=NOW_MS)
        weights.rebase(again)
        assert again is await weights.of("other", consume=True)
        found = await weights.of("acme", consume=True)
        assert (0.9, again.tasks["math"]["b"]) == (found.tasks["chat"]["a"].benchmark.mean, found.tasks["math"]["b"])


async def test_news_is_heard_and_a_gap_is_told(redis: "Redis", degraded: Counter):
    heard: list[Changed | None] = []

    async def listen(change: Changed | None) -> None:
        heard.append(change)

    change = Changed(kind="weights", tenant="acme", version=2)
    stop = asyncio.Event()
    listening = asyncio.create_task(RedisChanges(redis, [listen], degraded.count_one, retry_s=0.01).run(stop))

    async def begun() -> bool:
        return heard == [None]

    await eventually(begun)
    await redis.publish(state.CHANGES_CHANNEL, b"{")
    await redis.publish(state.CHANGES_CHANNEL, msgspec.json.encode(change))

    async def told() -> bool:
        return heard == [None, change]

    await eventually(told)
    await redis.client_kill_filter(_type="pubsub")

    async def heard_of_the_gap() -> bool:
        return heard == [None, change, None]

    await eventually(heard_of_the_gap)
    stop.set()
    await listening
    assert [] == degraded


async def test_redis_may_be_away_for_as_long_as_it_likes(away: "Redis", degraded: Counter):
    stop = asyncio.Event()
    listening = asyncio.create_task(RedisChanges(away, [], degraded.count_one, retry_s=0.01).run(stop))

    async def tried_again() -> bool:
        return len(degraded) > 1

    await eventually(tried_again)
    stop.set()
    await listening
