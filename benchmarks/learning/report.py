"""What the figures come to: means with intervals, the targets, and Markdown."""

from collections.abc import Iterable, Iterator
from math import sqrt
from typing import TypeAlias

import msgspec
import numpy as np

from benchmarks.learning.scenarios import DRIFT_WINDOWS, NEW_WINDOWS, SCENARIOS, WINDOWS

Results: TypeAlias = dict[str, dict[str, dict[str, list[float]]]]  # world → scenario → window → one value per seed

STUDENT = {1: 0.0, 2: 12.71, 3: 4.30, 4: 3.18, 5: 2.78, 6: 2.57, 7: 2.45, 8: 2.36, 9: 2.31, 10: 2.26}


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """What was reached against what was asked; *least* says that more is better."""

    world: str
    title: str
    reached: float
    asked: float
    least: bool = True

    @property
    def met(self) -> bool:
        """Say whether the target is met; never where nothing was reached."""
        return self.reached >= self.asked if self.least else self.reached <= self.asked


def half_width(values: list[float]) -> float:
    """Return half the 95 % confidence interval of the mean by Student's t."""
    count = len(values)
    return 0.0 if count < 2 else student(count) * float(np.std(values, ddof=1)) / sqrt(count)  # noqa: PLR2004 - two points make a spread


def student(count: int) -> float:
    """Return the quantile of Student's t for a 95 % interval from *count* values, from ten on that of ten or less."""
    return STUDENT.get(count, 2.1)


def targets(results: Results) -> list[Target]:
    """Return every target that the scenarios played can judge."""
    return [target for world, figures in results.items() for target in _targets(world, figures)]


def markdown(results: Results, command: str) -> str:
    """Return what *command* found: a table per world, and the targets."""
    seeds = max(
        (len(values) for world in results.values() for found in world.values() for values in found.values()), default=0
    )
    said = f"`{command}`: means over {seeds} seed{'s' if seeds > 1 else ''}, ± half of the 95 % interval over them."
    parts = [text for world, figures in results.items() for text in (f"## World {world}", _table(figures))]
    return "\n\n".join([said, *parts, "## Targets", _target_table(targets(results))]) + "\n"


def _table(figures: dict[str, dict[str, list[float]]]) -> str:
    windows = list(WINDOWS)
    head = ["| share of the gap, sessions | " + " | ".join(windows) + " |", "|---" * (len(windows) + 1) + "|"]
    rows = [
        f"| {SCENARIOS[name].title} | " + " | ".join(_shown(found.get(window)) for window in windows) + " |"
        for name, found in figures.items()
        if name != "drift"
    ]
    drift = figures.get("drift", {})
    after = [
        f"\nBest model degrades: {', '.join(f'{name} {_shown(values)}' for name, values in drift.items() if name in DRIFT_WINDOWS)}."
    ]
    return "\n".join([*head, *rows, *(after if drift else [])])


def _target_table(found: Iterable[Target]) -> str:
    rows = [
        f"| {item.world} | {item.title} | {'≥' if item.least else '≤'} {item.asked:.2f} | {item.reached:.3f} | "
        f"{'met' if item.met else '**missed**'} |"
        for item in found
    ]
    return "\n".join(["| world | target | asked | reached | |", "|---|---|---|---|---|", *rows])


def _shown(values: list[float] | None) -> str:
    if not values:
        return ""
    return f"{np.mean(values):.2f}" + (f" ± {half_width(values):.2f}" if len(values) > 1 else "")


def _targets(world: str, figures: dict[str, dict[str, list[float]]]) -> Iterator[Target]:
    def mean(scenario: str, window: str) -> float:
        return float(np.mean(figures[scenario][window]))

    if "newcomers" in figures:
        yield Target(world=world, title="new tenant, sessions 0–5", reached=mean("newcomers", "0–5"), asked=0.72)
        yield Target(world=world, title="new tenant, sessions 20–40", reached=mean("newcomers", "20–40"), asked=0.82)
        cost = mean("newcomers", "cost")
        title = "cost at the quality of the best affordable single model"
        yield Target(world=world, title=title, reached=cost, asked=0.60, least=False)
    if "pooled" in figures:
        yield Target(world=world, title="cold pool, sessions 20–25", reached=mean("pooled", "20–25"), asked=0.75)
    if {"pooled", "benchmarks"} <= figures.keys():
        worst = min(mean("pooled", window) - mean("benchmarks", window) for window in WINDOWS)
        if "newcomers" in figures:
            worst = min(worst, *(mean("newcomers", name) - mean("benchmarks", name) for name in NEW_WINDOWS))
        yield Target(world=world, title="worst window against Day 0", reached=worst, asked=-0.03)
    if {"hostile", "pooled"} <= figures.keys():
        harm = mean("hostile", "honest") - mean("pooled", "honest")
        yield Target(world=world, title="5 hostile of 50, the honest in sessions 20–40", reached=harm, asked=-0.02)
    if {"open", "pooled"} <= figures.keys():
        price = min(mean("pooled", window) - mean("open", window) for window in WINDOWS)
        yield Target(world=world, title="k-anonymity, the worst window", reached=price, asked=-0.03)
    if "drift" in figures:
        reached = mean("drift", "30–70 after")
        yield Target(world=world, title="gap recovered 30–70 sessions after drift", reached=reached, asked=0.65)
