"""Probabilities add up to one, follow the evidence, explore within bounds, and are the same when computed again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.routing.propensity import (
    MAX_EXPECTED_LOSS,
    MAX_FLOOR_MASS,
    best_probabilities,
    explored,
    one_hot,
    proportional,
)

utilities = st.lists(st.floats(-2, 1), min_size=1, max_size=12)


@given(utilities, st.floats(0, 0.3), st.floats(0, 0.05), st.data())
def test_they_add_up_to_one_and_cost_at_most_the_bound(
    means: list[float], variance: float, floor: float, data: st.DataObject
) -> None:
    day0 = data.draw(st.integers(0, len(means) - 1))
    chances = explored(means, [variance] * len(means), floor=floor, day0=day0, key="k")
    assert pytest.approx(1.0) == sum(chances)
    assert min(chances) >= 0.0
    expected = sum(chance * mean for chance, mean in zip(chances, means, strict=True))
    assert expected >= means[day0] - MAX_EXPECTED_LOSS - 1e-9


def test_the_same_key_gives_the_same_probabilities_and_another_does_not() -> None:
    arguments = {"utilities": [0.50, 0.51, 0.49], "variances": [0.01] * 3, "floor": 0.01, "day0": 1}
    assert explored(**arguments, key="v1") == explored(**arguments, key="v1")
    assert explored(**arguments, key="v1") != explored(**arguments, key="v2")


def test_the_better_the_likelier_and_certainty_settles_it() -> None:
    unsure = explored([0.6, 0.5], [0.05, 0.05], floor=0.0, day0=0, key="k")
    sure = explored([0.6, 0.5], [1e-6, 1e-6], floor=0.0, day0=0, key="k")
    assert 0.5 < unsure[0] < 1.0
    assert 1.0 == sure[0]


def test_the_floor_keeps_every_candidate_possible_but_never_taxes_more_than_its_share() -> None:
    chances = explored([0.60] + [0.595] * 9, [1e-9] * 10, floor=0.003, day0=0, key="k")
    assert pytest.approx(0.003) == min(chances)
    many = one_hot(100, 3, floor=0.05)
    assert pytest.approx(MAX_FLOOR_MASS) == sum(many) - many[3] + min(many)


def test_shares_become_probabilities() -> None:
    assert [0.75, 0.25, 0.0] == proportional([3.0, 1.0, 0.0])
    assert [0.5, 0.5] == proportional([0.0, 0.0])


def test_how_likely_the_best_is_counts_the_whole_doubt_and_no_floor() -> None:
    likely = best_probabilities([0.6, 0.5, -5.0], [0.01, 0.01, 0.01], key="k")
    assert pytest.approx(1.0) == sum(likely)
    assert 0.0 == likely[2]
    assert pytest.approx(0.76, abs=0.06) == likely[0]
