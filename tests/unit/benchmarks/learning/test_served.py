"""Served and simulated sessions are scored by the same arithmetic."""

import numpy as np
import pytest

from benchmarks.learning import stage
from benchmarks.learning.client import Hop, Session
from benchmarks.learning.market import Market, population
from benchmarks.learning.member import Settings
from benchmarks.learning.policies import always
from benchmarks.learning.served import ledger_of
from benchmarks.learning.services import flips
from tests.unit.benchmarks.learning.worlds import GOOD, small_world


def test_the_same_choices_have_the_same_ledger() -> None:
    world = stage.servable(small_world())
    _, ours = stage.arms(population(world, 2, 1, prefix="s"))
    played = [
        [
            Session(hops=tuple(Hop(request_id="r", task=s.task, model=GOOD, outcome=1.0) for s in v.steps))
            for v in visits
        ]
        for visits in stage.plays(ours, 3, 1)
    ]
    served = ledger_of(world, ours.tenants, played)
    settings = Settings(policy=stage.policy_of(world), learns=False)
    simulated = Market(world, ours.tenants, settings, choose=always(GOOD)).play(3, 1)
    for name in ("gained", "possible", "score", "dollars"):
        assert np.asarray(getattr(served, name)) == pytest.approx(getattr(simulated, name))


def test_the_judge_is_told_of_judged_steps_only() -> None:
    world = stage.servable(small_world())
    _, ours = stage.arms(population(world, 2, 1, prefix="s"))
    visits = [visit for found in stage.plays(ours, 10, 1) for visit in found]
    steps = {stage.marker(visit, place): step for visit in visits for place, step in enumerate(visit.steps)}
    assert {name: step.flipped for name, step in steps.items() if step.judged} == flips(visits)
