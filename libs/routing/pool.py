"""The shared pool: what many tenants know together, with no tenant able to dominate it or to be read out of it."""

from collections.abc import Mapping

import msgspec
import numpy as np
from numpy.typing import NDArray

from libs.contracts.events import Usage
from libs.providers.catalogue import Model
from libs.routing.costs import Ratio, pooled_ratios
from libs.routing.day0_belief import day0_belief
from libs.routing.mixed import Floats, Learned, Prior, Seen, learn
from libs.routing.noise import Ledger
from libs.routing.pooled_cells import PooledCell, PooledTask, cap_of, enough, enough_callers, pooled
from libs.routing.priors import Priors
from libs.routing.statistics import SOURCES

__all__ = ["Heard", "Pool", "PooledCell", "PooledTask", "fit", "pooled"]

Flags = NDArray[np.bool_]
Counts = NDArray[np.int_]

LEVEL_VARIANCE = 0.1  # How far the scores of one source on one task may lie off the benchmark's level together.
ROUNDS = 6  # Of learning how tasks resemble each other.
PSEUDO_MODELS = 8.0  # Models' worth of the belief that no two tasks resemble each other more than others.


class Heard(msgspec.Struct, frozen=True, kw_only=True):
    """What the pool heard of a model on one task: *precision*, and *pull*, its product with the surplus over the benchmark."""

    precision: float
    pull: float


class Pool(msgspec.Struct, frozen=True, kw_only=True):
    """
    The pool as estimates use it.

    *levels* (source → task) are what a source's scores lie above the benchmark's level, *heard* (task → model) what is left.
    *similarity* (task → task) is how qualities of one model go together. *trust* is how far benchmarks have proved to exaggerate
    (below 0) or to play down, with the variance of that. *ratios* are what charges lie off the price list, and *usage* the
    average request, by task. *tasks* is what they are made from and stays with the aggregator, as does the *ledger* of noise,
    absent until there is some.
    """

    tasks: dict[str, PooledTask] = {}
    levels: dict[str, dict[str, float]] = {}
    heard: dict[str, dict[str, Heard]] = {}
    similarity: dict[str, dict[str, float]] = {}
    trust: float = 0.0
    trust_variance: float | None = None
    ratios: dict[str, dict[str, Ratio]] = {}
    usage: dict[str, Usage] = {}
    ledger: Ledger | msgspec.UnsetType = msgspec.UNSET


def fit(tasks: Mapping[str, PooledTask], priors: Priors, models: Mapping[str, Model]) -> Pool:
    """
    Return the pool with its mixed model fitted.

    A cell that too few tenants or sessions stand behind is only heard together with the model's others of that kind; tasks,
    models and sources that too few speak for at all stay as if nobody had spoken.
    """
    known = _audible(dict(sorted(tasks.items())), list(models))
    usage = {
        task: found.usage for task, found in known.items() if found.usage and enough_callers([found], found.charged)
    }
    charges = Pool(tasks=known, ratios=pooled_ratios(known, usage, models), usage=usage)
    known = {task: found for task, found in known.items() if found.cells}
    if not known:
        return charges
    prior = day0_belief(tuple(known), priors, models.values(), level_variance=LEVEL_VARIANCE)
    usable = _backed_off(prior, *_seen(known, list(models)))
    prior = _adapted(prior, usable)
    learned = learn(prior, usable)
    return msgspec.structs.replace(
        charges,
        levels={
            source: {
                task: float(level) for task, level in zip(known, levels, strict=True) if source in known[task].cells
            }
            for source, levels in zip(SOURCES, learned.levels, strict=True)
        },
        heard=_heard(usable, prior, learned, list(known), list(models)),
        similarity={
            task: dict(zip(known, map(float, row), strict=True))
            for task, row in zip(known, prior.similarity, strict=True)
        },
        trust=learned.trust,
        trust_variance=learned.trust_variance,
    )


def _audible(tasks: dict[str, PooledTask], models: list[str]) -> dict[str, PooledTask]:
    """
    Return *tasks* less each source that too few speak by on that task, counting the cells that will be used.

    A source that leaves may take a cell below what is enough, so that another source has to leave: until nothing changes. A
    task of which nothing is left goes too.
    """
    while True:
        together = set(_together(tasks, models))
        usable = {task: {m for m in models if m in together or m in found.published} for task, found in tasks.items()}
        kept = {
            task: found.by_sources([source for source in found.cells if found.is_loud(source, usable[task])])
            for task, found in tasks.items()
        }
        if kept == tasks:
            return {task: found for task, found in kept.items() if found != PooledTask()}
        tasks = kept


def _together(tasks: Mapping[str, PooledTask], models: list[str]) -> list[str]:
    """Return the models that have enough behind their unpublished cells taken together."""
    return [m for m in models if enough([found for found in tasks.values() if m not in found.published], [m])]


def _seen(tasks: Mapping[str, PooledTask], models: list[str]) -> tuple[Seen, Flags]:
    """Return the cells that may be used, no tenant with more than its share, and which of them only together with others."""
    shape = (len(SOURCES), len(tasks), len(models))
    means, precision, tenants = np.zeros(shape), np.zeros(shape), np.zeros(shape, dtype=int)
    merged = np.zeros(shape, dtype=bool)
    together = set(_together(tasks, models))
    for s, source in enumerate(SOURCES):
        for t, found in enumerate(tasks.values()):
            for m, model in enumerate(models):
                cell, apart = found.cells.get(source, {}).get(model), model in found.published
                if cell is not None and (apart or model in together):
                    means[s, t, m], precision[s, t, m] = cell.sums.mean, cell.precision(source)
                    tenants[s, t, m], merged[s, t, m] = cell.tenants, not apart
    return Seen(means=means, precision=_shared(precision, tenants, merged)), merged


def _shared(precision: Floats, tenants: Counts, merged: Flags) -> Floats:
    """
    Return *precision* (S × T × M) with no tenant's part in it above its share of what is heard together.

    Together are heard: a source on a task, whose level it is; the sources on a model's published task; and all merged cells
    of a model.
    """
    each = precision / np.maximum(tenants, 1)
    sources, count, models = precision.shape
    for s, t in np.ndindex(sources, count):
        _cut(each[s, t], tenants[s, t])
    for t, m in np.ndindex(count, models):
        if not merged[:, t, m].any():
            _cut(each[:, t, m], tenants[:, t, m])
    for m in range(models):
        _cut(each[:, :, m], tenants[:, :, m] * merged[:, :, m])
    return np.asarray(each * tenants)


def _cut(each: Floats, tenants: Counts) -> None:
    """Cut *each* tenant's weight to what it may have, in place; where there is no tenant there is nothing to cut."""
    there = tenants > 0
    cap = cap_of(zip(each[there].tolist(), tenants[there].tolist(), strict=True))
    each[there] = np.minimum(each[there], cap)


def _backed_off(prior: Prior, seen: Seen, together: Flags) -> Seen:
    """Return *seen* with every cell that may only be used *together* replaced by what the model's such cells say."""
    if not together.any():
        return seen
    merged = seen.precision * together
    first = learn(prior, seen)
    expected = prior.means + first.trust * prior.standing + first.levels[:, :, None]
    weight = merged.sum(axis=(0, 1))
    surplus = (merged * (seen.means - expected)).sum(axis=(0, 1)) / np.where(weight > 0, weight, 1.0)
    means = np.where(merged > 0, expected + surplus, seen.means)
    return Seen(means=means, precision=seen.precision)


def _adapted(prior: Prior, seen: Seen) -> Prior:
    """Return *prior* with the similarity of tasks learned from the models: a few rounds of expectation-maximisation."""
    start, doubt = prior.similarity, prior.doubt
    for _ in range(ROUNDS):
        learned = learn(prior, seen)
        spread = learned.covariance + learned.qualities.T[:, :, None] * learned.qualities.T[:, None, :]
        total = (spread / doubt[:, None, None]).sum(axis=0)
        similarity = (PSEUDO_MODELS * start + total) / (PSEUDO_MODELS + len(doubt))
        prior = msgspec.structs.replace(prior, similarity=similarity)
    return prior


def _heard(
    seen: Seen, prior: Prior, learned: Learned, tasks: list[str], models: list[str]
) -> dict[str, dict[str, Heard]]:
    expected = prior.means + learned.trust * prior.standing + learned.levels[:, :, None]
    precision = seen.precision.sum(axis=0)
    pull = (seen.precision * (seen.means - expected)).sum(axis=0)
    return {
        task: {
            model: Heard(precision=float(precision[t, m]), pull=float(pull[t, m]))
            for m, model in enumerate(models)
            if precision[t, m] > 0
        }
        for t, task in enumerate(tasks)
    }
