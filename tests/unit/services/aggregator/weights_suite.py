"""What every implementation of `Weights` and of `PoolStore` does; subclasses bring `weights` and `pool`."""

import msgspec

from libs.contracts.events import SourceWeights, WeightsPublished
from libs.routing.pool import Pool, PooledCell, PooledTask
from libs.routing.statistics import Sums
from services.aggregator.ports import Snapshot


def published(version, scope="acme"):
    return WeightsPublished(
        event_id=f"{scope}-{version}",
        scope=scope,
        version=version,
        published_at_ms=version,
        phase="day0",
        weights=SourceWeights(benchmark=1.0),
    )


class WeightsSuite:
    """Behaviour of published weights."""

    async def test_a_scope_has_no_weights_before_its_first(self, weights):
        assert (await weights.read("acme")).weights is None
        assert [] == list(await weights.unsent("acme"))

    async def test_weights_are_read_as_published(self, weights):
        assert await weights.replace("acme", await weights.read("acme"), published(1))
        assert published(1) == (await weights.read("acme")).weights
        assert (await weights.read("beta")).weights is None

    async def test_who_read_before_another_published_is_refused(self, weights):
        first = await weights.read("acme")
        assert await weights.replace("acme", first, published(1))
        second = await weights.read("acme")
        assert not await weights.replace("acme", first, published(9))
        assert await weights.replace("acme", second, published(2))
        assert not await weights.replace("acme", second, published(3))
        assert not await weights.replace("beta", Snapshot(weights=None, stamp="x"), published(1, "beta"))
        assert 2 == (await weights.read("acme")).weights.version

    async def test_what_is_published_waits_for_the_log_in_order(self, weights):
        for version in (1, 2, 3):
            await weights.replace("acme", await weights.read("acme"), published(version))
        first, *rest = await weights.unsent("acme")
        await weights.sent("acme", first)
        assert rest == list(await weights.unsent("acme"))
        assert [2, 3] == [msgspec.json.decode(item, type=WeightsPublished).version for item in rest]


class PoolSuite:
    """Behaviour of the pool's store."""

    async def test_the_pool_is_empty_before_the_first(self, pool):
        assert Pool() == (await pool.read()).pool

    async def test_a_pool_is_read_as_stored_and_replaced_by_who_has_seen_it(self, pool):
        cell = PooledCell(tenants=6, sessions=40.0, sums=Sums(n=1 / 3, sum_x=0.1), cap=2.0, low=0.0, high=1.0)
        made = Pool(tasks={"chat": PooledTask(cells={"session": {"m": cell}})}, levels={"session": {"chat": 0.5}})
        empty = await pool.read()
        assert await pool.replace(empty, made)
        assert made == (await pool.read()).pool
        assert not await pool.replace(empty, Pool())
        assert await pool.replace(await pool.read(), Pool())

    async def test_one_holds_the_lease_and_may_renew_it(self, pool):
        assert await pool.lease("a", 30)
        assert not await pool.lease("b", 30)
        assert await pool.lease("a", 30)
