"""A gate out of its range is refused by name; a window is a stretch of hours or days."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.contracts.gates import DAY_MS, HOUR_MS, GateError, check, window_ms
from libs.contracts.state import Bound, OptimizationGates

shares = st.floats(0.0, 1.0)


@given(shares, shares, st.integers(1, 90))
def test_values_in_range_pass(one: float, other: float, days: int):
    bound = Bound(value=one, window=f"{days}d")
    check(OptimizationGates(max_regression=bound, max_cost_increase=bound, canary_share=other))


@given(st.floats().filter(lambda value: not 0.0 <= value <= 1.0))
def test_a_share_out_of_range_is_refused_by_name(value: float):
    with pytest.raises(GateError, match="confidence_threshold: has to be 0 or more and at most 1") as caught:
        check(OptimizationGates(confidence_threshold=value))
    assert "confidence_threshold" == caught.value.field


@pytest.mark.parametrize("value", [-1.0, math.nan, math.inf])
def test_a_cost_may_rise_without_end_but_not_to_nothing_countable(value: float):
    check(OptimizationGates(max_cost_increase=Bound(value=99.0)))
    with pytest.raises(GateError, match=r"max_cost_increase\.value: has to be 0 or more"):
        check(OptimizationGates(max_cost_increase=Bound(value=value)))


@pytest.mark.parametrize(("window", "expected"), [("1h", HOUR_MS), ("90d", 90 * DAY_MS), ("2160h", 90 * DAY_MS)])
def test_a_window_counts_hours_or_days(window: str, expected: int):
    assert expected == window_ms(window)


@pytest.mark.parametrize("window", ["", "0d", "91d", "7", "d", "1w", "1.5h", "7d "])
def test_anything_else_is_no_window(window: str):
    with pytest.raises(GateError, match="window: use hours or days up to 90d"):
        window_ms(window)
