"""Every policy meets the same sessions, and raters say what they saw, each in their own way."""

import msgspec
import numpy as np
import pytest

from benchmarks.learning.tenants import HOPS, TASKS, Step, Visit, draw_tenant, ratings, utilities, visits
from tests.unit.benchmarks.learning.worlds import GOOD, small_world

WORLD = small_world()
TENANT = msgspec.structs.replace(draw_tenant(WORLD, "t", np.random.default_rng(1)), harshness=0.0)


def a_visit(*, flipped: bool = False) -> Visit:
    step = Step(task="a", item=0, judged=True, flipped=flipped, reviewed=True)
    return Visit(session="s", steps=(step,), rated=True, noise=0.0)


def test_the_same_seed_gives_the_same_sessions() -> None:
    first, again = (list(visits(TENANT, 20, np.random.default_rng(3))) for _ in range(2))
    assert first == again
    assert {HOPS} == {len(visit.steps) for visit in first}


def test_a_tenant_works_on_its_own_items_only() -> None:
    assert TASKS == len(TENANT.items)
    for visit in visits(TENANT, 50, np.random.default_rng(3)):
        assert all(step.item in TENANT.items[step.task] for step in visit.steps)


def test_a_rating_is_the_outcome_and_a_flipped_verdict_its_opposite() -> None:
    found = {rating.source: rating.score for rating in ratings(TENANT, a_visit(flipped=True), [1.0]).values()}
    assert {"session": 1.0, "auto": 0.0, "manual": 1.0} == found


def test_a_hostile_tenant_says_the_opposite_and_never_stays_silent() -> None:
    hostile = msgspec.structs.replace(TENANT, hostile=True)
    found = {rating.source: rating.score for rating in ratings(hostile, a_visit(), [1.0]).values()}
    assert {"session": 0.0, "auto": 0.0, "manual": 0.0} == found
    assert all(visit.rated for visit in visits(hostile, 50, np.random.default_rng(3)))


def test_utility_is_score_less_cost() -> None:
    found = utilities(WORLD, TENANT, "a")
    assert GOOD == int(found.argmax())
    chosen = TENANT.items["a"]
    assert pytest.approx(WORLD.scores["a"][chosen, 0].mean() - 0.01) == found[0]
