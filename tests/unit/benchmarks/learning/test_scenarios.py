"""The cost of a quality lies between the two points of the frontier around it."""

from math import isnan

import numpy as np
import pytest

from benchmarks.learning.market import Ledger
from benchmarks.learning.scenarios import cost_ratio, share


def a_ledger(score: float, dollars: float) -> Ledger:
    one = np.ones((2, 3))
    return Ledger(gained=0.5 * one, possible=one, score=score * one, dollars=dollars * one)


def test_cost_is_read_off_the_frontier() -> None:
    frontier = [a_ledger(0.9, 3.0), a_ledger(0.5, 1.0)]
    assert pytest.approx(0.5) == cost_ratio(frontier, a_ledger(0.7, 4.0))


def test_a_quality_out_of_reach_has_no_cost() -> None:
    assert isnan(cost_ratio([a_ledger(0.5, 1.0)], a_ledger(0.7, 4.0)))


def test_a_share_is_of_the_sums_so_that_small_gaps_do_not_shout() -> None:
    gained, possible = np.array([[0.1, 0.0]]), np.array([[0.2, 0.001]])
    ledger = Ledger(gained=gained, possible=possible, score=gained, dollars=gained)
    assert pytest.approx(0.1 / 0.201) == share(ledger, 0, 2)
