"""Sufficient statistics: exact integer sums in daily buckets, and how they fade."""

from collections.abc import Iterable, Mapping
from typing import Literal, TypeAlias

import msgspec

MICRO = 1_000_000
FeedbackSource: TypeAlias = Literal["session", "auto", "manual"]
SOURCES: tuple[FeedbackSource, ...] = ("session", "auto", "manual")


class Cell(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """What one sum is about; *day* counts days since the epoch (UTC) of the request."""

    task: str
    model: str
    source: FeedbackSource
    day: int


class Moments(msgspec.Struct, frozen=True, kw_only=True):
    """Weighted count, sum and sum of squares of scores in [0, 1], each in millionths, so that addition is exact."""

    n: int = 0
    sum_x: int = 0
    sum_xx: int = 0

    def __add__(self, other: "Moments") -> "Moments":
        return Moments(n=self.n + other.n, sum_x=self.sum_x + other.sum_x, sum_xx=self.sum_xx + other.sum_xx)

    def __sub__(self, other: "Moments") -> "Moments":
        return Moments(n=self.n - other.n, sum_x=self.sum_x - other.sum_x, sum_xx=self.sum_xx - other.sum_xx)

    def __bool__(self) -> bool:
        return bool(self.n or self.sum_x or self.sum_xx)


class Sums(msgspec.Struct, frozen=True, kw_only=True):
    """Moments as they weigh today: effective sessions *n*, and the sums of their scores and squared scores."""

    n: float = 0.0
    sum_x: float = 0.0
    sum_xx: float = 0.0

    @property
    def mean(self) -> float:
        """Return the mean score; 0 where there is no evidence."""
        return self.sum_x / self.n if self.n > 0 else 0.0

    @property
    def spread(self) -> float:
        """Return the sum of squared deviations from the mean."""
        return max(0.0, self.sum_xx - self.n * self.mean * self.mean)


Evidence: TypeAlias = Mapping[tuple[str, FeedbackSource], Sums]


def observe(score_micro: int, weight_micro: int) -> Moments:
    """Return the moments of one score that weighs *weight_micro*; both in millionths, rounded down like SQL `intDiv`."""
    return Moments(
        n=weight_micro,
        sum_x=weight_micro * score_micro // MICRO,
        sum_xx=weight_micro * score_micro * score_micro // (MICRO * MICRO),
    )


def add(*parts: Mapping[Cell, Moments]) -> dict[Cell, Moments]:
    """Return the cell-wise sum, without cells that came to nothing."""
    total: dict[Cell, Moments] = {}
    for part in parts:
        for cell, moments in part.items():
            total[cell] = total.get(cell, Moments()) + moments
    return {cell: moments for cell, moments in total.items() if moments}


def subtract(new: Mapping[Cell, Moments], old: Mapping[Cell, Moments]) -> dict[Cell, Moments]:
    """Return what has to be added to *old* to get *new*, without cells that stay."""
    cells = new.keys() | old.keys()
    changes = {cell: new.get(cell, Moments()) - old.get(cell, Moments()) for cell in cells}
    return {cell: change for cell, change in sorted(changes.items()) if change}


def decay(age_days: int, half_life_days: float) -> float:
    """Return how much evidence of that age still weighs; evidence from the future weighs 1."""
    return float(0.5 ** (max(0, age_days) / half_life_days))


def faded(
    cells: Iterable[tuple[Cell, Moments]], now_day: int, half_life_days: float
) -> dict[tuple[str, FeedbackSource], Sums]:
    """Return the sums per (model, source) as they weigh on *now_day*; the cells are of one task."""
    shares: dict[int, float] = {}
    totals: dict[tuple[str, FeedbackSource], list[float]] = {}
    for cell, moments in cells:
        share = shares.get(cell.day)
        if share is None:
            share = shares[cell.day] = decay(now_day - cell.day, half_life_days) / MICRO
        total = totals.setdefault((cell.model, cell.source), [0.0, 0.0, 0.0])
        total[0] += share * moments.n
        total[1] += share * moments.sum_x
        total[2] += share * moments.sum_xx
    return {place: Sums(n=n, sum_x=sum_x, sum_xx=sum_xx) for place, (n, sum_x, sum_xx) in totals.items()}
