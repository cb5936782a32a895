"""Boards of different models and units come out on one scale, on which the better model is the better one."""

import pytest

from benchmarks.build_priors import Row, best_variants, build, linked

BOARD_OLD, BOARD_NEW = "lmarena:text_elo", "livebench:Coding"


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
