"""Sums are exact and fade by half-life."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.routing.statistics import MICRO, Cell, Moments, Sums, add, decay, faded, observe, subtract

micro = st.integers(0, MICRO)
cells = st.builds(
    Cell, task=st.just("chat"), model=st.sampled_from("abc"), source=st.just("session"), day=st.integers(0, 40)
)
tables = st.dictionaries(cells, st.builds(observe, micro, micro), max_size=6)


@given(tables, tables)
def test_a_difference_leads_from_the_old_to_the_new(old: dict[Cell, Moments], new: dict[Cell, Moments]) -> None:
    assert add(new) == add(old, subtract(new, old))


@given(micro, micro)
def test_an_observation_is_whole_numbers_that_fit_sixty_four_bits(score: int, weight: int) -> None:
    moments = observe(score, weight)
    assert weight * score * score < 2**63
    assert pytest.approx(weight * score / MICRO, abs=1) == moments.sum_x
    assert pytest.approx(weight * score * score / MICRO**2, abs=1) == moments.sum_xx


@pytest.mark.parametrize(("age", "left"), [(0, 1.0), (14, 0.5), (28, 0.25), (-3, 1.0)])
def test_evidence_halves_with_each_half_life(age: int, left: float) -> None:
    assert left == decay(age, 14.0)


@given(tables, st.integers(0, 60))
def test_fading_keeps_the_mean_of_one_day_and_never_adds_weight(table: dict[Cell, Moments], now_day: int) -> None:
    for (model, _), sums in faded(table.items(), now_day, 14.0).items():
        raw = sum(moments.n for cell, moments in table.items() if cell.model == model) / MICRO
        assert sums.n <= raw + 1e-9
        assert sums.spread >= 0.0


def test_no_evidence_has_mean_zero() -> None:
    assert (0.0, 0.0) == (Sums().mean, Sums().spread)
