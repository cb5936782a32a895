"""
The figures as pictures: learning curves, cost against quality, drift.

`python -m benchmarks.learning.plots learning.json --out DIR` draws what an earlier run wrote. Needs the extra `bench` (matplotlib).
"""

import argparse
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import msgspec
import numpy as np

from benchmarks.learning.report import Results, half_width
from benchmarks.learning.scenarios import CURVE_STEP, DRIFT_AT, SCENARIOS, TASTES

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ABSENT = "no plots: matplotlib is not installed (pip install -e '.[bench]')"
CURVES = ("random", "benchmarks", "single", "raw_pooled", "alone", "pooled", "newcomers")
SIZE_INCHES, DOTS_PER_INCH, COLOURS = (8.0, 3.8), 100, 64

Draw: TypeAlias = Callable[["Axes", dict[str, dict[str, list[float]]]], None]
Curve: TypeAlias = list[
    tuple[float, float, float]
]  # middle of the sessions, mean, half of the 95 % interval over seeds


def drawn(results: Results, out: Path) -> str:
    """Draw whatever *results* hold into *out*; return which files, or why none."""
    if find_spec("matplotlib") is None:
        return ABSENT
    plots: dict[str, tuple[tuple[str, ...], Draw, str, str]] = {
        "curves.png": (CURVES, _curves, "sessions of each tenant", "share of the gap"),
        "frontier.png": (("newcomers",), _frontier, "dollars per hop", "quality"),
        "drift.png": (("drift",), _drift, "sessions of each tenant", "share of the gap"),
    }
    played = {scenario for figures in results.values() for scenario in figures}
    due = [name for name, (wanted, *_) in plots.items() if played.intersection(wanted)]
    for name in due:
        _, draw, across, up = plots[name]
        _picture(results, out / name, draw, across, up)
    return "plots: " + ", ".join(str(out / name) for name in due)


def curve_of(figures: dict[str, list[float]]) -> Curve:
    """Return the learning curve among one scenario's *figures*."""
    ends = sorted(int(name[1:]) for name in figures if name.startswith("@"))
    return [(end - CURVE_STEP / 2, float(np.mean(figures[f"@{end}"])), half_width(figures[f"@{end}"])) for end in ends]


def frontier_of(figures: dict[str, list[float]]) -> list[tuple[float, float, float, float]]:
    """Return dollars, quality and the half intervals of both per taste for money, the cheapest taste first."""
    tastes = [
        (figures[f"taste {taste} dollars"], figures[f"taste {taste} score"]) for taste in sorted(TASTES, reverse=True)
    ]
    return [(_mean(dollars), _mean(score), half_width(dollars), half_width(score)) for dollars, score in tastes]


def _mean(values: list[float]) -> float:
    return float(np.mean(values))


def _picture(results: Results, path: Path, draw: Draw, across: str, up: str) -> None:
    from matplotlib.figure import Figure  # noqa: PLC0415 - an extra that the tables do without

    figure = Figure(figsize=SIZE_INCHES, dpi=DOTS_PER_INCH, layout="constrained")
    for axes, (world, figures) in zip(figure.subplots(1, len(results), squeeze=False)[0], results.items(), strict=True):
        axes.set(title=f"world {world}", xlabel=across, ylabel=up)
        axes.grid(alpha=0.3)
        draw(axes, figures)
    lines, titles = next((axes.get_legend_handles_labels() for axes in figure.axes if axes.has_data()), ([], []))
    figure.legend(lines, titles, loc="outside lower center", ncols=4, fontsize=7)
    figure.savefig(path)
    _shrink(path)


def _shrink(path: Path) -> None:
    """Keep as many colours as a plot needs: the pictures stand in the repository."""
    from PIL import Image  # noqa: PLC0415 - comes with matplotlib

    with Image.open(path) as image:
        small = image.convert("RGB").quantize(COLOURS)
    small.save(path, optimize=True)


def _curves(axes: "Axes", figures: dict[str, dict[str, list[float]]]) -> None:
    for name in CURVES:
        if name in figures:
            _band(axes, curve_of(figures[name]), SCENARIOS[name].title)


def _drift(axes: "Axes", figures: dict[str, dict[str, list[float]]]) -> None:
    if "drift" in figures:
        _band(axes, curve_of(figures["drift"]), SCENARIOS["drift"].title)
        axes.axvline(DRIFT_AT, color="black", linestyle=":", label="it degrades")


def _frontier(axes: "Axes", figures: dict[str, dict[str, list[float]]]) -> None:
    found = figures.get("newcomers", {})
    if "single dollars" in found:
        dollars, quality, wide, high = zip(*frontier_of(found), strict=True)
        axes.errorbar(dollars, quality, xerr=wide, yerr=high, marker="o", label="new tenants, by taste for money")
        axes.plot(
            _mean(found["single dollars"]), _mean(found["single score"]), "s", label="best affordable single model"
        )


def _band(axes: "Axes", curve: Curve, title: str) -> None:
    across, mean, half = (np.array(found) for found in zip(*curve, strict=True))
    (line,) = axes.plot(across, mean, label=title)
    axes.fill_between(across, mean - half, mean + half, color=line.get_color(), alpha=0.15)


def main() -> int:
    """Draw from a file of figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.learning.plots", description=__doc__)
    parser.add_argument("figures", type=Path)
    parser.add_argument("--out", type=Path, default=Path())
    arguments = parser.parse_args()
    print(drawn(msgspec.json.decode(arguments.figures.read_bytes(), type=Results), arguments.out))
    return 0


if __name__ == "__main__":
    sys.exit(main())
