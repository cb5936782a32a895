"""A target is judged by the mean of its seeds, and only where its scenarios were played."""

import pytest

from benchmarks.learning.report import Target, half_width, markdown, targets
from benchmarks.learning.scenarios import WINDOWS


def figures(value: float) -> dict[str, list[float]]:
    return {**{window: [value, value] for window in WINDOWS}, "honest": [value, value], "later": [value, value]}


def test_the_interval_is_students() -> None:
    assert pytest.approx(2.78 * 0.015811 / 5**0.5, rel=1e-3) == half_width([0.48, 0.49, 0.50, 0.51, 0.52])
    assert 0.0 == half_width([0.5])


def test_a_ceiling_is_met_from_below_and_a_floor_from_above() -> None:
    floor = Target(world="w", title="t", reached=0.7, asked=0.72)
    ceiling = Target(world="w", title="t", reached=0.7, asked=0.72, least=False)
    assert (False, True) == (floor.met, ceiling.met)


def test_what_was_not_reached_is_missed() -> None:
    assert not Target(world="w", title="t", reached=float("nan"), asked=0.6, least=False).met


def test_only_what_was_played_is_judged() -> None:
    found = targets({"w": {"pooled": figures(0.8), "benchmarks": figures(0.85)}})
    assert [("cold pool, sessions 20–25", True), ("worst window against Day 0", False)] == [
        (target.title, target.met) for target in found
    ]


def test_the_table_names_world_and_verdict() -> None:
    text = markdown({"w": {"pooled": figures(0.8), "hostile": figures(0.5)}}, "python -m x")
    assert "## World w" in text
    assert "| ours, cold pool of 50 | 0.80 ± 0.00" in text
    assert "**missed**" in text
