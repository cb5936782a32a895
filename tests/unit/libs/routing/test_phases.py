"""The table of phases is exactly the published one, and the smooth way passes through it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.contracts.events import Phase, SourceWeights
from libs.routing.phases import phase_of, source_weights, weights_of


@pytest.mark.parametrize(
    ("requests", "rated", "phase"),
    [
        (0, 0, "day0"),
        (9, 0, "day0"),
        (9, 9, "day0"),
        (10, 0, "auto"),
        (10_000, 9, "auto"),
        (10, 10, "nps"),
        (10_000, 10_000, "nps"),
    ],
)
def test_thresholds_are_ten_requests_and_ten_rated_sessions(requests: int, rated: int, phase: Phase) -> None:
    assert phase == phase_of(requests, rated)


def test_the_table_is_the_published_one() -> None:
    assert SourceWeights(session=0.0, auto=0.0, manual=0.0, benchmark=1.0) == weights_of("day0")
    assert SourceWeights(session=0.0, auto=0.5, manual=0.2, benchmark=0.3) == weights_of("auto")
    assert SourceWeights(session=0.5, auto=0.3, manual=0.1, benchmark=0.1) == weights_of("nps")


@given(st.integers(0, 50), st.integers(0, 50))
def test_the_step_is_the_row_of_the_phase(requests: int, rated: int) -> None:
    assert weights_of(phase_of(requests, rated)) == source_weights(requests, rated)


@pytest.mark.parametrize(
    ("requests", "rated", "phase"), [(0, 0, "day0"), (10, 0, "auto"), (40, 10, "nps"), (10, 300, "nps")]
)
def test_the_ramp_passes_through_the_table(requests: int, rated: int, phase: Phase) -> None:
    assert weights_of(phase) == source_weights(requests, rated, "smooth")


@given(st.integers(0, 50), st.integers(0, 50))
def test_weights_always_add_up_to_one_and_one_rating_moves_them_little(requests: int, rated: int) -> None:
    here, next_one = source_weights(requests, rated, "smooth"), source_weights(requests, rated + 1, "smooth")
    assert pytest.approx(1.0) == here.session + here.auto + here.manual + here.benchmark
    assert abs(here.session - next_one.session) <= 0.05 + 1e-9
    assert abs(here.benchmark - next_one.benchmark) <= 0.09 + 1e-9
