"""Plots draw what the figures hold; without matplotlib they say so."""

from pathlib import Path

import pytest

from benchmarks.learning import plots


def test_a_curve_is_in_order_with_its_band() -> None:
    curve = plots.curve_of({"@10": [0.4, 0.6], "@5": [0.1, 0.1], "0–5": [0.1, 0.1]})
    assert [(2.5, 0.1), (7.5, 0.5)] == [(middle, mean) for middle, mean, _ in curve]
    assert (0.0, True) == (curve[0][2], curve[1][2] > 0.0)


def test_without_matplotlib_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plots, "find_spec", lambda _name: None)
    assert "matplotlib is not installed" in plots.drawn({}, tmp_path)
    assert [] == list(tmp_path.iterdir())
