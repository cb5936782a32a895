"""The shared pool: what many tenants know together, with no tenant able to dominate it or to be read out of it."""

from collections.abc import Mapping

import msgspec
import numpy as np
from numpy.typing import NDArray

from libs.contracts.events import Usage
from libs.providers.catalogue import Model
from libs.routing.costs import Ratio, pooled_ratios
from libs.routing.day0_belief import day0_belief
from libs.routing.mixed import Learned, Prior, Seen, learn
from libs.routing.operations import average_usage
from libs.routing.pooled_cells import MIN_TENANTS, PooledCell, PooledTask, enough, pooled
from libs.routing.priors import Priors
from libs.routing.statistics import SOURCES

__all__ = ["Heard", "Pool", "PooledCell", "PooledTask", "fit", "pooled"]

Flags = NDArray[np.bool_]

LEVEL_VARIANCE = 0.03  # How far the scores of one source on one task may lie off the benchmark's level together.
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
    average request, by task.
    """

    tasks: dict[str, PooledTask] = {}
    levels: dict[str, dict[str, float]] = {}
    heard: dict[str, dict[str, Heard]] = {}
    similarity: dict[str, dict[str, float]] = {}
    trust: float = 0.0
    trust_variance: float | None = None
    ratios: dict[str, dict[str, Ratio]] = {}
    usage: dict[str, Usage] = {}


def fit(tasks: Mapping[str, PooledTask], priors: Priors, models: Mapping[str, Model]) -> Pool:
    """
    Return the pool with its mixed model fitted.

    A cell that too few tenants or sessions stand behind is only heard together with the model's others of that kind; tasks
    and models that too few speak for at all stay as benchmarks see them.
    """
    known = {task: found for task, found in sorted(tasks.items()) if found.cells}
    if not known or not models:
        return Pool(tasks=dict(tasks), ratios=pooled_ratios(tasks, models), usage=_usage(tasks))
    prior = day0_belief(tuple(known), priors, models.values(), level_variance=LEVEL_VARIANCE)
    seen = _seen(known, list(models))
    published = np.array([[found.published(model) for model in models] for found in known.values()])
    loud = np.array([enough([found], models) for found in known.values()])
    seen = msgspec.structs.replace(seen, precision=seen.precision * loud[:, None])
    usable = _backed_off(prior, seen, published, _together(known, list(models), published))
    prior = _adapted(prior, usable)
    learned = learn(prior, usable)
    return Pool(
        tasks=dict(tasks),
        levels={
            source: {task: float(level) for task, level, is_loud in zip(known, levels, loud, strict=True) if is_loud}
            for source, levels, heard in zip(SOURCES, learned.levels, seen.precision, strict=True)
            if heard.any()
        },
        heard=_heard(usable, prior, learned, list(known), list(models)),
        similarity={
            task: dict(zip(known, map(float, row), strict=True))
            for task, row in zip(known, prior.similarity, strict=True)
        },
        trust=learned.trust,
        trust_variance=learned.trust_variance,
        ratios=pooled_ratios(tasks, models),
        usage=_usage(tasks),
    )


def _usage(tasks: Mapping[str, PooledTask]) -> dict[str, Usage]:
    """Return the average request of each task that enough tenants have sent."""
    averages = {
        task: average_usage(found.charged.values())
        for task, found in tasks.items()
        if len(frozenset().union(*found.callers.values())) >= MIN_TENANTS
    }
    return {task: average for task, average in averages.items() if average is not None}


def _seen(tasks: Mapping[str, PooledTask], models: list[str]) -> Seen:
    shape = (len(SOURCES), len(tasks), len(models))
    means, precision = np.zeros(shape), np.zeros(shape)
    for s, source in enumerate(SOURCES):
        for t, found in enumerate(tasks.values()):
            for m, model in enumerate(models):
                cell = found.cells.get(source, {}).get(model)
                if cell is not None:
                    means[s, t, m] = cell.sums.mean
                    precision[s, t, m] = cell.precision(source)
    return Seen(means=means, precision=precision)


def _backed_off(prior: Prior, seen: Seen, published: Flags, together: Flags) -> Seen:
    """Return *seen* with every cell that may not be used apart replaced by what the model's such cells say together."""
    apart = seen.precision * published
    merged = seen.precision * (~published & together)
    if not merged.any():
        return msgspec.structs.replace(seen, precision=apart)
    first = learn(prior, msgspec.structs.replace(seen, precision=apart + merged))
    expected = prior.means + first.trust * prior.standing + first.levels[:, :, None]
    weight = merged.sum(axis=(0, 1))
    surplus = (merged * (seen.means - expected)).sum(axis=(0, 1)) / np.where(weight > 0, weight, 1.0)
    means = np.where(merged > 0, expected + surplus, seen.means)
    return Seen(means=means, precision=apart + merged)


def _together(tasks: Mapping[str, PooledTask], models: list[str], published: Flags) -> Flags:
    """Say which models have enough behind their unpublished cells taken together."""
    rest = [[task for task, apart in zip(tasks.values(), column, strict=True) if not apart] for column in published.T]
    return np.array([enough(found, [model]) for model, found in zip(models, rest, strict=True)])


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
