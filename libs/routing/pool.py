"""The shared pool: what many tenants know together, with no tenant able to dominate it or to be read out of it."""

from collections.abc import Iterable, Mapping

import msgspec

from libs.providers.catalogue import Model
from libs.routing.priors import Priors, prior_of
from libs.routing.statistics import SOURCES, Evidence, FeedbackSource, Sums

MAX_SHARE = 0.20  # Of a cell's weight that one tenant may have.
MIN_TENANTS = 5
MIN_SESSIONS = 25.0
TRIMMED = 0.10  # Of the tenants at either end, by their mean: a tenth of hostile raters moves nothing.
PSEUDO_EFFECT = 10.0  # Sessions' worth of the benchmark in a model's effect over all tasks.
PSEUDO_LEVEL = 5.0  # Sessions' worth of the common level in a task's.
ROUNDS = 6  # Of alternating between levels and effects; they settle to three digits in four.


class PooledCell(msgspec.Struct, frozen=True, kw_only=True):
    """
    What all tenants know of one model by one source, after trimming and capping.

    *tenants* and *sessions* count what came in. A tenant whose own mean lies in [*low*, *high*] is part of *sums*, with a
    weight of at most *cap*.
    """

    tenants: int
    sessions: float
    sums: Sums
    cap: float
    low: float
    high: float

    @property
    def published(self) -> bool:
        """Say whether enough tenants and sessions stand behind the cell for it to leave the pool."""
        return self.tenants >= MIN_TENANTS and self.sessions >= MIN_SESSIONS

    def without(self, own: Sums) -> Sums:
        """Return the sums less the share of a tenant that contributed *own*."""
        if own.n <= 0 or not self.low <= own.mean <= self.high:
            return self.sums
        share = min(1.0, self.cap / own.n)
        return Sums(
            n=max(0.0, self.sums.n - share * own.n),
            sum_x=max(0.0, self.sums.sum_x - share * own.sum_x),
            sum_xx=max(0.0, self.sums.sum_xx - share * own.sum_xx),
        )


class PooledTask(msgspec.Struct, frozen=True, kw_only=True):
    """The cells of one task: source → model → cell, also those too small to be published."""

    cells: dict[str, dict[str, PooledCell]] = {}

    def cell(self, source: FeedbackSource, model: str) -> PooledCell | None:
        """Return the cell if it may be used, else None: the caller backs off to the model's effect."""
        found = self.cells.get(source, {}).get(model)
        return found if found is not None and found.published else None


class Pool(msgspec.Struct, frozen=True, kw_only=True):
    """
    The pool as estimates use it.

    *levels* (source → task) and *effects* (source → model, on top of the benchmark's difference) are the additive fit.
    """

    tasks: dict[str, PooledTask] = {}
    levels: dict[str, dict[str, float]] = {}
    effects: dict[str, dict[str, float]] = {}


def pooled(contributions: Mapping[str, Evidence]) -> PooledTask:
    """Return the cells of one task from tenant → evidence of those that contribute."""
    gathered: dict[FeedbackSource, dict[str, list[Sums]]] = {source: {} for source in SOURCES}
    for _, evidence in sorted(contributions.items()):
        for (model, source), sums in evidence.items():
            if sums.n > 0:
                gathered[source].setdefault(model, []).append(sums)
    return PooledTask(
        cells={
            source: {model: _cell(parts) for model, parts in sorted(by_model.items())}
            for source, by_model in gathered.items()
            if by_model
        }
    )


def fit(tasks: Mapping[str, PooledTask], priors: Priors, models: Mapping[str, Model]) -> Pool:
    """
    Return the pool with its additive fit: `mean = level of the task + benchmark difference + effect of the model`.

    Tasks and models that too few tenants or sessions speak for get neither level nor effect.
    """
    differences = {task: benchmark_differences(priors, models.values(), task) for task in tasks}
    levels: dict[str, dict[str, float]] = {}
    effects: dict[str, dict[str, float]] = {}
    for source in SOURCES:
        cells = {task: _known(found.cells.get(source, {}), models) for task, found in tasks.items()}
        levels[source], effects[source] = _additive(cells, differences)
    return Pool(tasks=dict(tasks), levels=levels, effects=effects)


def benchmark_differences(priors: Priors, models: Iterable[Model], task: str) -> dict[str, float]:
    """Return how much better than the mean model benchmarks hold each model to be on *task*."""
    means = {model.id: prior_of(priors, model, task).mean for model in models}
    middle = sum(means.values()) / len(means) if means else 0.0
    return {model: mean - middle for model, mean in means.items()}


def _known(cells: Mapping[str, PooledCell], models: Mapping[str, Model]) -> dict[str, PooledCell]:
    return {model: cell for model, cell in cells.items() if model in models}


def _cell(parts: list[Sums]) -> PooledCell:
    kept = _trimmed(parts)
    cap = _cap([sums.n for sums in kept])
    shares = [min(1.0, cap / sums.n) for sums in kept]
    return PooledCell(
        tenants=len(parts),
        sessions=sum(sums.n for sums in parts),
        sums=Sums(
            n=sum(share * sums.n for share, sums in zip(shares, kept, strict=True)),
            sum_x=sum(share * sums.sum_x for share, sums in zip(shares, kept, strict=True)),
            sum_xx=sum(share * sums.sum_xx for share, sums in zip(shares, kept, strict=True)),
        ),
        cap=cap,
        low=min(sums.mean for sums in kept),
        high=max(sums.mean for sums in kept),
    )


def _trimmed(parts: list[Sums]) -> list[Sums]:
    """Drop the same number of tenants at both ends; ties with the last one kept go back in, so that bounds decide alone."""
    ordered = sorted(parts, key=lambda sums: sums.mean)
    cut = int(TRIMMED * len(ordered))
    low, high = ordered[cut].mean, ordered[len(ordered) - 1 - cut].mean
    return [sums for sums in ordered if low <= sums.mean <= high]


def _cap(weights: list[float]) -> float:
    """Return the greatest weight that is at most `MAX_SHARE` of the total once all are cut to it."""
    descending = sorted(weights, reverse=True)
    rest = sum(descending)
    for capped, weight in enumerate(descending):
        cap = MAX_SHARE * rest / (1.0 - MAX_SHARE * capped) if MAX_SHARE * capped < 1.0 else weight
        if cap >= weight or capped + 1 >= MIN_TENANTS:
            return max(cap, weight)
        rest -= weight
    return descending[-1]


def _additive(
    cells: Mapping[str, Mapping[str, PooledCell]], differences: Mapping[str, Mapping[str, float]]
) -> tuple[dict[str, float], dict[str, float]]:
    heard = [task for task, found in cells.items() if _enough(found.values())]
    by_model: dict[str, list[tuple[str, PooledCell]]] = {}
    for task in heard:
        for model, cell in cells[task].items():
            by_model.setdefault(model, []).append((task, cell))
    by_model = {model: found for model, found in by_model.items() if _enough(cell for _, cell in found)}
    levels = dict.fromkeys(heard, 0.0)
    effects = dict.fromkeys(by_model, 0.0)
    for _ in range(ROUNDS):
        levels = _levels(cells, differences, effects, heard)
        for model, found in by_model.items():
            surplus = sum(c.sums.sum_x - c.sums.n * (levels[task] + differences[task][model]) for task, c in found)
            effects[model] = surplus / (sum(c.sums.n for _, c in found) + PSEUDO_EFFECT)
    return levels, effects


def _levels(
    cells: Mapping[str, Mapping[str, PooledCell]],
    differences: Mapping[str, Mapping[str, float]],
    effects: Mapping[str, float],
    heard: list[str],
) -> dict[str, float]:
    surplus = {
        task: sum(
            cell.sums.sum_x - cell.sums.n * (differences[task][model] + effects.get(model, 0.0))
            for model, cell in cells[task].items()
        )
        for task in heard
    }
    weight = {task: sum(cell.sums.n for cell in cells[task].values()) for task in heard}
    total = sum(weight.values())
    common = sum(surplus.values()) / total if total > 0 else 0.0
    return {task: (surplus[task] + PSEUDO_LEVEL * common) / (weight[task] + PSEUDO_LEVEL) for task in heard}


def _enough(cells: Iterable[PooledCell]) -> bool:
    found = list(cells)
    tenants = max((cell.tenants for cell in found), default=0)
    return tenants >= MIN_TENANTS and sum(cell.sessions for cell in found) >= MIN_SESSIONS
