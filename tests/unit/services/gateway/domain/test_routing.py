"""A session keeps the model of each task, of so many as a real one has; prices are the tenant's."""

import pytest

from libs.contracts.state import SessionState, TokenPrice
from services.gateway.domain.routing import MAX_PINS, pinned
from tests.unit.services.gateway.fakes import World, caller


async def test_a_session_remembers_the_newest_of_ever_new_tasks():
    world = World(who=caller(tasks=tuple(f"t{number}" for number in range(MAX_PINS + 5))))
    for number in range(MAX_PINS + 5):
        await world.ask(model="auto", headers={"floopy-task": f"t{number}", "floopy-session-id": "s"})
    assert [f"t{number}" for number in range(5, MAX_PINS + 5)] == list(world.hot_state.sessions["t", "s"].pins)


async def test_the_task_that_was_served_last_is_the_newest():
    world = World()
    await world.ask(model="auto")
    decision = world.event.decision
    assert decision is not None
    kept = pinned(SessionState(pins={decision.task: "b", "other": "c"}), decision, "a")
    assert kept is not None
    assert [("other", "c"), (decision.task, "a")] == list(kept.pins.items())


async def test_the_tenants_own_price_is_in_the_books_and_in_the_decision():
    price = TokenPrice(input=3.0, output=30.0)
    world = World(who=caller(prices={"a": price, "b": price}, candidates=("a", "b")))
    await world.ask(model="auto")
    event, decision = world.event, world.event.decision
    assert decision is not None
    assert decision.inputs is not None
    assert 3 * event.usage.fresh_input + 30 * event.usage.output == event.cost_micro_usd > 0
    assert {name: (3.0, pytest.approx(0.3), 30.0) for name in ("a", "b")} == decision.inputs.prices


@pytest.mark.parametrize(("headers", "by"), [({"floopy-task": "math"}, "client"), ({}, "words")])
async def test_a_decision_says_who_told_its_task(headers: dict[str, str], by: str):
    world = World()
    await world.ask(model="auto", headers=headers)
    decision = world.event.decision
    assert decision is not None
    assert decision.inputs is not None
    assert by == decision.inputs.task_by
