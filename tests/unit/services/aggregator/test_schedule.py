"""A mark goes only when the weights that contain it are out; ratings are quick, mere observations wait."""

import asyncio

from libs.contracts.state import TenantPolicy
from services.aggregator.publisher import ContendedError
from services.aggregator.schedule import Pace
from tests.unit.services.aggregator.publishing import World
from tests.unit.services.aggregator.waiting import until
from tests.unit.services.aggregator.world import NOW_MS, feedback, request


async def test_a_rating_is_published_and_its_mark_goes():
    world = World()
    await world.apply(request(), feedback())
    await world.schedule.publish_due()
    assert 1 == (await world.read()).rated_sessions
    assert {} == await world.state.marks(0, "dirty")
    assert {} == await world.state.marks(0, "stale")
    assert {"chat"} == (await world.state.marks(0, "pool")).keys()


async def test_what_a_dead_process_marked_is_published_by_the_next():
    world = World()
    await world.apply(request(), feedback())
    await world.new_schedule().publish_due()
    assert 1 == (await world.read()).rated_sessions


async def test_after_a_death_between_publication_and_settlement_the_marks_go():
    world = World()
    await world.apply(request(), feedback())
    await world.publisher.publish_tenant("acme", ["chat"], _knowledge(world))
    await world.new_schedule().publish_due()
    assert 1 == (await world.read()).version
    assert {} == await world.state.marks(0, "dirty")


async def test_an_observation_waits_for_its_time():
    world = World()
    await world.schedule.publish_due()
    await world.apply(request())
    await world.schedule.publish_due()
    assert await world.read() is None
    world.now_ms += 5_000
    await world.schedule.publish_due()
    assert 1 == (await world.read()).requests


async def test_a_cache_hit_counts_towards_the_phase_although_it_has_no_task():
    world = World()
    await world.apply(*(request(f"r{n}", status="cache_hit", decision=None) for n in range(10)))
    await world.schedule.publish_due()
    assert ("auto", 10) == ((await world.read()).phase, (await world.read()).requests)
    assert "" not in (await world.read()).tasks


async def test_a_contended_tenant_keeps_its_marks_and_others_go_on(monkeypatch):
    world = World()
    await world.apply(request(), feedback(), request("r2", tenant="beta"), feedback("f2", tenant="beta"))
    publish = world.publisher.publish_tenant

    async def contended(tenant, changed, knowledge):
        if tenant == "acme":
            raise ContendedError(tenant)
        return await publish(tenant, changed, knowledge)

    monkeypatch.setattr(world.publisher, "publish_tenant", contended)
    await world.schedule.publish_due()
    assert {"acme chat"} == (await world.state.marks(0, "dirty")).keys()
    assert 1 == (await world.read("beta")).rated_sessions


async def test_the_owner_shows_itself():
    world = World()
    await world.schedule.publish_due()
    assert await world.state.is_alive(0)


async def test_a_running_schedule_publishes_at_once_and_measures_how_long_it_took():
    world = World()
    schedule = world.schedule = world.new_schedule(Pace(gather_s=0.0, poll_s=30.0))
    stop = asyncio.Event()
    task = asyncio.create_task(schedule.run(stop))
    await asyncio.sleep(0)
    await world.apply(request(), feedback(received_at_ms=NOW_MS - 1_500))
    await until(lambda: "acme" in world.weights.stored)
    await until(lambda: world.metrics.latency._sum.get() > 0)
    assert 1.5 == world.metrics.latency._sum.get()
    stop.set()
    await world.apply(request("r2", model="m2"))
    await asyncio.wait_for(task, 5)


async def test_policies_reach_the_weights():
    world = World()
    world.policies.policies["acme"] = TenantPolicy(tenant="acme", consume=False)
    await world.apply(request(), feedback())
    await world.schedule.publish_due()
    assert not (await world.read()).pool_used


def _knowledge(world):
    return world.schedule._knowledge
