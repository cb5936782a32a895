"""The pool follows ratings and membership, is kept by one process at a time, and reaches tenants without a history."""

import asyncio

import msgspec
import pytest

from libs.contracts.state import POOL, TenantPolicy
from libs.contracts.topics import DAY_MS
from libs.routing.noise import Privacy
from libs.routing.noised_tasks import noise_of
from tests.unit.services.aggregator.publishing import World
from tests.unit.services.aggregator.world import feedback, request

TENANTS = [f"t{number}" for number in range(6)]


async def rated(world, tenants=TENANTS, score=0.95, sessions=6, model="m1"):
    for tenant in tenants:
        for number in range(sessions):
            session = f"{tenant}-{number}-{score}-{model}"
            await world.apply(
                request(session, tenant=tenant, session_id=session, created_at_ms=world.now_ms, model=model),
                feedback(f"f-{session}", tenant=tenant, session_id=session, score=score),
            )


async def cell(world):
    return (await world.pool.read()).pool.tasks["chat"].cells["session"]["m1"]


async def charged(world):
    return (await world.pool.read()).pool.tasks["chat"].charged["m1"]


async def leave(world, tenant):
    world.policies.policies[tenant] = TenantPolicy(tenant=tenant, contribute=False)


async def test_tenants_without_a_history_start_from_what_the_others_know():
    world = World()
    await rated(world)
    await rated(world, model="m2", score=0.4)
    await world.new_keeper().keep()
    found = await cell(world)
    assert (6, 36) == (found.tenants, round(found.sessions))
    pool = await world.read(POOL)
    assert pool.pool_used
    assert pool.tasks["chat"]["m1"].benchmark.mean > pool.tasks["chat"]["m2"].benchmark.mean + 0.1
    assert pool.tasks["chat"]["m1"].session is None
    assert {} == await world.state.marks(0, "pool")


async def test_too_few_tenants_stay_private():
    world = World()
    await rated(world, TENANTS[:4], sessions=20)
    await world.new_keeper().keep()
    pool = await world.read(POOL)
    assert not pool.pool_used
    assert pool.tasks["chat"]["m1"].benchmark.mean == pool.tasks["chat"]["m2"].benchmark.mean


async def test_a_tenant_that_leaves_is_out_with_the_next_recomputation():
    world = World()
    await rated(world)
    keeper = world.new_keeper()
    await keeper.keep()
    await leave(world, "t0")
    await keeper.keep()
    assert 5 == (await cell(world)).tenants
    await leave(world, "t1")
    await keeper.keep()
    assert {} == (await world.pool.read()).pool.heard
    assert not (await world.read(POOL)).pool_used


async def test_charges_come_in_when_every_tenant_is_refreshed():
    world = World()
    await rated(world)
    keeper = world.new_keeper()
    await keeper.keep()
    for tenant in TENANTS:
        await world.apply(request(f"{tenant}-more", tenant=tenant, session_id=f"{tenant}-more"))
    await keeper.keep()
    assert 36 == (await charged(world)).requests
    world.now_ms += 600_000
    await keeper.keep()
    assert 42 == (await charged(world)).requests


async def test_who_does_not_contribute_adds_no_charges():
    world = World()
    await rated(world)
    await leave(world, "t0")
    await world.new_keeper().keep()
    assert 30 == (await charged(world)).requests


async def test_new_ratings_and_a_new_day_bring_the_pool_up_to_date():
    world = World()
    await rated(world)
    keeper = world.new_keeper()
    await keeper.keep()
    await rated(world, score=0.1)
    await keeper.keep()
    assert 72 == round((await cell(world)).sessions)
    world.now_ms += 14 * DAY_MS
    await keeper.keep()
    assert 36 == round((await cell(world)).sessions)


async def test_nothing_new_publishes_nothing():
    world = World()
    await rated(world)
    keeper = world.new_keeper()
    await keeper.keep()
    version = (await world.read(POOL)).version
    await keeper.keep()
    assert version == (await world.read(POOL)).version


async def test_every_tenant_is_refreshed_from_time_to_time():
    world = World()
    await rated(world)
    keeper = world.new_keeper()
    await keeper.keep()
    first = await world.read("t0")
    assert first.pool_used
    await keeper.keep()
    assert first.version == (await world.read("t0")).version
    await rated(world, TENANTS[1:], score=0.2)
    await keeper.keep()
    assert first.version == (await world.read("t0")).version
    world.now_ms += 600_000
    await keeper.keep()
    assert first.version + 1 == (await world.read("t0")).version


async def test_a_changed_policy_reaches_the_tenants_weights_with_the_next_turn():
    world = World()
    await rated(world)
    keeper = world.new_keeper()
    await keeper.keep()
    world.policies.policies["t0"] = TenantPolicy(tenant="t0", consume=False)
    await keeper.keep()
    assert not (await world.read("t0")).pool_used
    assert (await world.read("t1")).pool_used


async def test_one_process_at_a_time_keeps_the_pool():
    world = World()
    await rated(world)
    world.pool.holder = "another"
    stop = asyncio.Event()
    stop.set()
    await world.new_keeper().run(stop)
    running = asyncio.Event()
    task = asyncio.create_task(world.new_keeper().run(running))
    await asyncio.sleep(0.05)
    running.set()
    await asyncio.wait_for(task, 5)
    assert world.pool.stored is None


async def test_a_pool_replaced_in_between_is_left_alone_and_done_again():
    world = World()
    await rated(world)
    keeper = world.new_keeper()
    replace = world.pool.replace

    async def overtaken(read, new):
        world.pool.replace = replace
        return False

    world.pool.replace = overtaken
    await keeper.keep()
    assert {"chat"} == (await world.state.marks(0, "pool")).keys()
    await keeper.keep()
    assert {} == await world.state.marks(0, "pool")
    assert 6 == (await cell(world)).tenants


async def test_another_day_0_table_reaches_the_pool_and_every_tenant_at_once():
    world = World()
    await rated(world)
    keeper = world.new_keeper()
    await keeper.keep()
    before, own = await world.read(POOL), await world.read("t0")
    world.benchmarks.table = msgspec.structs.replace(world.benchmarks.table, price_intercept=3.0)
    await keeper.keep()
    after = await world.read(POOL)
    assert after.tasks["math"]["m1"].benchmark.mean > before.tasks["math"]["m1"].benchmark.mean
    assert (await world.read("t0")).tasks["math"]["m1"] != own.tasks["math"]["m1"]
    await keeper.keep()
    assert after.version == (await world.read(POOL)).version


async def test_the_schedule_publishes_on_the_table_in_force():
    world = World()
    await world.apply(request(), feedback())
    world.benchmarks.table = msgspec.structs.replace(world.benchmarks.table, price_intercept=3.0)
    await world.schedule.publish_due()
    assert (await world.read()).tasks["math"]["m1"].benchmark.mean > 0.7


def shown(world, name):
    return world.pool_registry.get_sample_value(name)


async def test_with_noise_the_budget_holds_ratings_back_and_a_member_that_leaves_takes_the_task_along():
    world = World()
    await rated(world)
    keeper = world.new_keeper(noise_of(Privacy(epsilon=50.0, period_epsilon=50.0, tenant_cap=6.0), b"secret"))
    await keeper.keep()
    first = (await world.pool.read()).pool
    assert 6 == first.tasks["chat"].cells["session"]["m1"].tenants
    assert ({}, 50.0) == (first.tasks["chat"].charged, pytest.approx(shown(world, "aggregator_pool_epsilon")))
    assert 0 == shown(world, "aggregator_pool_refused_tasks")
    await rated(world, score=0.1)
    await keeper.keep()
    assert first.tasks == (await world.pool.read()).pool.tasks
    assert 1 == shown(world, "aggregator_pool_refused_tasks")
    await leave(world, "t0")
    await keeper.keep()
    assert {} == (await world.pool.read()).pool.tasks
    assert not (await world.read(POOL)).pool_used
    world.now_ms += 30 * DAY_MS
    await rated(world, score=0.7)
    await keeper.keep()
    assert 5 == (await cell(world)).tenants
