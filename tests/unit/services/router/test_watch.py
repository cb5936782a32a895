"""The watch pins a rule that regressed, promotes one that proved itself, says why, and takes no step twice."""

from collections.abc import Sequence
from itertools import count

import pytest
from prometheus_client import CollectorRegistry

from libs.contracts.state import ANY_ROUTE, OptimizationGates, RoutingRule
from services.router.control import Control, Order
from services.router.domain.entities import Entity, Ref, gates_ref, rule_ref
from services.router.domain.verification import Arm, Route
from services.router.metrics import RouterMetrics
from services.router.watch import Watch
from tests.unit.services.router.domain.test_verification import both
from tests.unit.services.router.fakes import FakeControlLog, FakeOutcomeLog, FakeReadModel

NOW_MS = 100 * 86_400_000


class World:
    """A tenant's policy, its outcomes and a watch over them."""

    def __init__(self) -> None:
        self.read_model = FakeReadModel()
        self.log = FakeControlLog(self.read_model)
        self.control = Control(self.log, self.read_model, visible_within_s=0.05)
        self.outcomes = FakeOutcomeLog()
        self.watch = self.watching()

    def watching(self) -> Watch:
        ids = count()
        return Watch(
            self.control,
            self.outcomes,
            RouterMetrics(CollectorRegistry()),
            clock_ms=lambda: NOW_MS,
            new_id=lambda: f"id-{next(ids)}",
        )

    async def put(self, ref: Ref, entity: Entity) -> None:
        def decide(_before: Entity | None, _others: Sequence[Entity]) -> Entity:
            return entity

        await self.control.write(ref, decide, Order(actor="test", at_ms=0, event_id=f"{ref.kind}-{ref.entity_id}"))

    async def rule(self, **fields: object) -> RoutingRule:
        await self.put(rule_ref("acme", "r1"), RoutingRule(**{"rule_id": "r1", "name": "r", **fields}))
        return await self.now()

    async def now(self) -> RoutingRule:
        found = await self.control.find(rule_ref("acme", "r1"))
        assert isinstance(found, RoutingRule)
        return found

    async def gates(self, route: str) -> OptimizationGates:
        return (await self.control.gates("acme"))[route]


@pytest.fixture
def world() -> World:
    """A world without policy."""
    return World()


async def test_a_rule_that_regressed_is_pinned_to_its_default_and_says_why_once(world: World) -> None:
    await world.rule(default_model="small")
    await world.put(gates_ref("acme", "r1"), OptimizationGates())
    world.outcomes.found = {"r1": both(0.7, 0.5)}
    assert 1 == await world.watch.round()
    pinned = await world.now()
    assert (True, "small") == (pinned.pinned, pinned.default_model)
    assert "the score fell by 0.200" in (pinned.pin_reason or "")
    assert ("watch", pinned.pin_reason) == (world.log.changes[-1].actor, world.log.changes[-1].reason)
    assert 0 == await world.watch.round()


class SlowOutcomeLog(FakeOutcomeLog):
    """Outcomes that take so long to sum up that somebody pins the rule meanwhile."""

    def __init__(self, world: "World") -> None:
        super().__init__()
        self._world = world

    async def arms(self, route: Route, *, since_ms: int) -> Sequence[Arm]:
        await self._world.rule(default_model="small", pinned=True, pin_reason="by hand")
        return await super().arms(route, since_ms=since_ms)


async def test_a_rule_that_somebody_pinned_meanwhile_is_left_as_it_is() -> None:
    world = World()
    world.outcomes = SlowOutcomeLog(world)
    world.watch = world.watching()
    await world.rule(default_model="small")
    await world.put(gates_ref("acme", "r1"), OptimizationGates())
    world.outcomes.found = {"r1": both(0.7, 0.5)}
    assert 0 == await world.watch.round()
    assert "by hand" == (await world.now()).pin_reason
    assert "shadow" != (await world.gates("r1")).stage


async def test_a_rule_without_a_default_goes_into_the_shadow(world: World) -> None:
    await world.rule()
    await world.put(gates_ref("acme", "r1"), OptimizationGates())
    world.outcomes.found = {"r1": both(0.7, 0.5)}
    assert 1 == await world.watch.round()
    assert not (await world.now()).pinned
    assert ("shadow", NOW_MS) == ((await world.gates("r1")).stage, (await world.gates("r1")).stage_since_ms)
    assert 0 == await world.watch.round()


async def test_a_route_is_promoted_from_shadow_over_canary_to_live(world: World) -> None:
    await world.put(gates_ref("acme", ANY_ROUTE), OptimizationGates(stage="shadow", require_shadow_before_live=True))
    assert 0 == await world.watch.round()
    world.outcomes.shadowed = 30
    assert 1 == await world.watch.round()
    assert "canary" == (await world.gates(ANY_ROUTE)).stage
    assert 0 == await world.watch.round()
    world.outcomes.found = {None: both(0.7, 0.75)}
    assert 1 == await world.watch.round()
    live = await world.gates(ANY_ROUTE)
    assert "live" == live.stage
    assert "the score changed by +0.050" in (live.stage_reason or "")


async def test_only_what_happened_since_the_last_step_or_change_counts(world: World) -> None:
    await world.rule(default_model="small", updated_at_ms=NOW_MS - 5)
    await world.put(gates_ref("acme", "r1"), OptimizationGates(stage_since_ms=NOW_MS - 9))
    await world.put(gates_ref("acme", ANY_ROUTE), OptimizationGates(stage_since_ms=NOW_MS - 9))
    await world.watch.round()
    assert [
        (Route(tenant="acme", but=("r1",)), NOW_MS - 9),
        (Route(tenant="acme", rule_id="r1"), NOW_MS - 5),
    ] == world.outcomes.asked


async def test_pinned_disabled_and_deleted_rules_are_left_alone(world: World) -> None:
    await world.put(gates_ref("acme", "r1"), OptimizationGates())
    world.outcomes.found = {"r1": both(0.7, 0.5)}
    assert 0 == await world.watch.round()
    for fields in ({"pinned": True, "default_model": "small"}, {"enabled": False}):
        await world.rule(**fields)
        assert 0 == await world.watch.round()
