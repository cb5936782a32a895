"""A market measures choices against chance and the best, and tenants learn from each other in it."""

import msgspec
import numpy as np
import pytest

from benchmarks.learning.market import Market, population
from benchmarks.learning.policies import always, at_random, best_affordable, best_single, raw_means
from benchmarks.learning.scenarios import settings_of, share
from tests.unit.benchmarks.learning.worlds import GOOD, small_world

WORLD = small_world()


def test_the_best_model_everywhere_gains_the_whole_gap_and_chance_none_of_it() -> None:
    fixed = settings_of(WORLD, learns=False)
    assert GOOD == best_single(WORLD)
    best = Market(WORLD, population(WORLD, 3, 1), fixed, choose=always(GOOD)).play(5, 1)
    chance = Market(WORLD, population(WORLD, 10, 1), fixed, choose=at_random).play(30, 1)
    assert pytest.approx(1.0) == share(best, 0, 5)
    assert pytest.approx(0.0, abs=0.1) == share(chance, 0, 30)


def test_a_model_dearer_than_the_mean_is_not_affordable() -> None:
    dear = {task: found * (1.0, 3.0, 1.0) for task, found in WORLD.costs.items()}
    assert GOOD == best_affordable(WORLD)
    assert GOOD != best_affordable(msgspec.structs.replace(WORLD, costs=dear))


def test_tenants_learn_which_model_is_best() -> None:
    market = Market(WORLD, population(WORLD, 8, 1), settings_of(WORLD))
    ledger = market.play(40, 1)
    assert share(ledger, 30, 40) > max(0.7, share(ledger, 0, 5))
    assert set(WORLD.scores) == set(market.common.pool.tasks)


def test_plain_means_learn_too() -> None:
    market = Market(WORLD, population(WORLD, 8, 1), settings_of(WORLD), believe=raw_means)
    assert share(market.play(40, 1), 30, 40) > 0.5


def test_who_learns_alone_never_hears_of_the_others() -> None:
    market = Market(WORLD, population(WORLD, 8, 1), settings_of(WORLD, shares_pool=False))
    market.play(10, 1)
    assert {} == market.common.pool.tasks


def test_after_a_drift_another_world_answers() -> None:
    worse = msgspec.structs.replace(WORLD, scores={task: np.zeros_like(found) for task, found in WORLD.scores.items()})
    settings = settings_of(WORLD, learns=False, drifts_at=2, drifted=worse)
    ledger = Market(WORLD, population(WORLD, 2, 1), settings, choose=always(GOOD)).play(4, 1)
    assert ledger.score[:, :2].min() > 0.0
    assert pytest.approx(0.0) == ledger.score[:, 2:].max()


def test_hostile_tenants_leave_the_others_as_they_were() -> None:
    clean, attacked = population(WORLD, 6, 1), population(WORLD, 6, 1, hostile=2)
    assert clean[:4] == attacked[:4]
    assert [False] * 4 + [True] * 2 == [tenant.hostile for tenant in attacked]
