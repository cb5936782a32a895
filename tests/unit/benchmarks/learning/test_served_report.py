"""Served beside simulated: shares by window with intervals over the same tenants."""

import numpy as np
import pytest

from benchmarks.learning.market import Ledger
from benchmarks.learning.served import Comparison
from benchmarks.learning.served_report import markdown, over_tenants, rows, windows


def ledger(gained: float) -> Ledger:
    shape = (4, 8)
    return Ledger(gained=np.full(shape, gained), possible=np.ones(shape), score=np.ones(shape), dollars=np.ones(shape))


COMPARISON = Comparison(
    served={"ours": ledger(0.5)}, simulated={"ours": ledger(0.4)}, hops=128, ratings=9, lost={"events": 0}
)


def test_windows_cover_the_run() -> None:
    assert {"0–5": (0, 5), "5–20": (5, 20), "20–30": (20, 30)} == windows(30)
    assert {"0–2": (0, 2)} == windows(2)


def test_the_difference_is_that_of_the_same_tenants() -> None:
    for row in rows(COMPARISON):
        assert (0.4, 0.5, 0.1) == pytest.approx((row.simulated.mean, row.served.mean, row.difference.mean))
        assert 0.0 == pytest.approx(row.difference.half_width)


def test_the_interval_of_a_mean_is_students() -> None:
    values = np.array([0.48, 0.49, 0.50, 0.51, 0.52])
    found = over_tenants(lambda weights: float(weights @ values / weights.sum()), 5)
    assert pytest.approx(2.78 * values.std(ddof=1) / 5**0.5) == found.half_width


def test_the_table_says_how_it_was_made_and_what_was_lost() -> None:
    text = markdown("w", COMPARISON, "python -m x")
    assert "`python -m x`: 4 tenants × 8 sessions, one seed, 128 hops of both arms, 9 ratings; lost: 0 events." in text
    assert "| ours | 0–5 | 0.40 ± 0.00 | 0.50 ± 0.00 | 0.10 ± 0.00 |" in text
