"""Boards of different models and units come out on one scale, on which the better model is the better one."""

from itertools import pairwise
from math import sqrt
from statistics import stdev

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.build_priors import SPREAD_SHRINKAGE, Row, best_variants, build, common_spread, linked, standard_error

BOARD_OLD, BOARD_NEW = "lmarena:text_elo", "livebench:Coding"
scores_of_boards = st.lists(st.floats(-4, 4), min_size=1, max_size=12)


def rows(board: str, scores: dict[str, float]) -> list[Row]:
    return [
        Row(family=family, board=board, score=score, source="s", date="2026-01-01") for family, score in scores.items()
    ]


def test_the_best_variant_of_a_family_counts() -> None:
    found = best_variants(rows(BOARD_NEW, {"a": 50.0}) + rows(BOARD_NEW, {"a": 70.0}) + rows(BOARD_NEW, {"a": 60.0}))
    assert {BOARD_NEW: {"a": 70.0}} == found


def test_a_board_of_old_models_does_not_flatter_the_best_of_them() -> None:
    old = {"bridge-1": 1400.0, "bridge-2": 1300.0, "old-1": 1100.0, "old-2": 1000.0}
    new = {"bridge-1": 30.0, "bridge-2": 20.0, "new-1": 80.0, "new-2": 70.0}
    standing = linked({BOARD_OLD: old, BOARD_NEW: new})
    assert standing[BOARD_NEW]["new-2"] > standing[BOARD_OLD]["bridge-1"] > standing[BOARD_OLD]["old-1"]


def test_units_do_not_matter() -> None:
    column = {"a": 1.0, "b": 2.0, "c": 4.0, "d": 5.0}
    stretched = {family: 100 + 7 * score for family, score in column.items()}
    one = linked({BOARD_OLD: column, BOARD_NEW: column})
    other = linked({BOARD_OLD: column, BOARD_NEW: stretched})
    assert [pytest.approx(z) for z in one[BOARD_NEW].values()] == list(other[BOARD_NEW].values())


def test_a_table_ranks_and_prices_and_says_where_it_comes_from() -> None:
    scores = {f"m-{number}": 10.0 * number for number in range(1, 7)}
    listed = [row for board in (BOARD_OLD, BOARD_NEW, "aider:polyglot_pass2") for row in rows(board, scores)]
    priors = build(listed, {family: score / 10 for family, score in scores.items()}, built_on="2026-02-01")
    standing = [priors.families[family].overall for family in scores]
    assert sorted(standing) == standing
    assert priors.price_slope > 0
    assert {"coding", "chat", "writing"} == set(priors.families["m-1"].tasks)
    assert {("s", 6, "2026-01-01")} == {(board.source, board.models, board.last_date) for board in priors.boards}
    assert {"m": "m-6"} == priors.lines


def test_a_score_by_one_board_is_as_uncertain_as_boards_commonly_disagree():
    assert 0.4 == pytest.approx(standard_error([1.3], 0.4))


def test_boards_that_disagree_leave_a_score_more_open_and_more_boards_less():
    assert standard_error([0.0, 2.0], 0.4) > standard_error([0.9, 1.1], 0.4)
    agreeing = [standard_error([1.0, 1.2] * pairs, 0.4) for pairs in (1, 2, 4, 8)]
    assert all(fewer > more for fewer, more in pairwise(agreeing))


def test_a_standard_error_is_that_of_the_mean_with_the_common_spread_as_further_evidence():
    assert sqrt((SPREAD_SHRINKAGE * 0.25 + 2.0) / (2 + SPREAD_SHRINKAGE) / 3) == pytest.approx(
        standard_error([0.0, 1.0, 2.0], 0.5)
    )


@given(scores_of_boards, st.floats(0.01, 2), st.floats(-3, 3))
def test_a_standard_error_lies_between_the_two_spreads_and_knows_no_level(found: list[float], spread: float, by: float):
    own = stdev(found) if len(found) > 1 else spread
    error = standard_error(found, spread) * sqrt(len(found))
    assert min(own, spread) - 1e-9 <= error <= max(own, spread) + 1e-9
    assert standard_error(found, spread) == pytest.approx(standard_error([z + by for z in found], spread))


def test_the_common_spread_pools_models_by_their_degrees_of_freedom():
    assert sqrt((2.0 + 2.0) / 3) == pytest.approx(common_spread([[0.0, 1.0, 2.0], [5.0, 7.0], [9.0]]))
    assert 1.0 == common_spread([[3.0], [4.0]])


def test_every_score_on_a_task_has_a_standard_error_in_its_own_unit():
    listed = rows(BOARD_NEW, {"a": 1.0, "b": 2.0, "c": 3.0}) + rows(
        "aider:polyglot_pass2", {"a": 1.0, "b": 3.0, "c": 2.0}
    )
    listed += rows("livebench:Mathematics", {"a": 1.0, "b": 2.0, "c": 3.0})
    families = build(listed, {"a": 0.1, "b": 0.2, "c": 0.5, "d": 1.0}, built_on="2026-02-01").families
    errors = {name: item.standard_errors for name, item in families.items()}
    assert all(item.tasks.keys() == errors[name].keys() for name, item in families.items())
    assert errors["b"]["coding"] > errors["a"]["coding"]
    assert errors["a"]["math"] == errors["b"]["math"] > errors["a"]["coding"]
