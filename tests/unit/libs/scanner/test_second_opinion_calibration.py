"""Scores keep their meaning when the scanner's band moves, and more suspicion is never less in the joint score."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.scanner.second_opinion_calibration import Calibration, log_odds, position, probability, score_at
from libs.scanner.verdict import Band, Thresholds

BAND = Band(flag=0.5, block=0.9)
CALIBRATION = Calibration(
    first=2.0, second=0.5, bias=-1.0, worth_reading=-0.5, thresholds=Thresholds(default=Band(flag=0.6, block=0.8))
)
scores = st.floats(0.0, 1.0)
odds = st.floats(-1_000.0, 1_000.0)


def test_a_score_lies_by_its_log_odds_between_the_limits():
    assert [0, 1, 2] == [pytest.approx(position(score, BAND)) for score in (0.5, 0.9, 81 / 82)]
    assert -1 == pytest.approx(position(0.1, BAND))


@given(scores)
def test_a_band_without_width_knows_only_its_two_sides(score: float):
    assert (1.0 if score >= 0.7 else -1.0) == position(score, Band(flag=0.7, block=0.7))


@given(scores, scores)
def test_positions_keep_the_order_of_scores(one: float, other: float):
    low, high = sorted((one, other))
    assert position(low, BAND) <= position(high, BAND)


@given(st.floats(-3, 3))
def test_the_score_at_a_place_lies_there(place: float):
    assert place == pytest.approx(position(score_at(place, BAND), BAND))


@given(odds)
def test_a_probability_stands_for_its_log_odds(value: float):
    assert 0 <= probability(value) <= 1
    if abs(value) < 15:
        assert value == pytest.approx(log_odds(probability(value)), abs=1e-6)


@given(st.floats(-5, 5), odds, st.floats(0, 5), st.floats(0, 50))
def test_more_suspicion_of_either_is_never_less_of_both(first: float, second: float, more: float, much_more: float):
    assert CALIBRATION.joint(first, second) <= CALIBRATION.joint(first + more, second + much_more)
