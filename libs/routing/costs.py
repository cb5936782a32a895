"""What a request to each model is likely to cost, from what was charged: models differ from the price list more than they differ in price."""

from collections.abc import Mapping
from math import log

import msgspec
import numpy as np

from libs.contracts.events import Usage
from libs.providers.catalogue import Model, cost_micro_usd
from libs.routing.day0_belief import compound
from libs.routing.mixed import Prior, Seen, learn
from libs.routing.operations import Operations, average_usage
from libs.routing.pooled_cells import PooledTask, cap_of, enough_callers

MODEL_VARIANCE = 0.6  # Of the logarithm of how far a model's charges lie off its list price, on all tasks alike.
TASK_VARIANCE = 0.1  # Of the same on one task.
LEVEL_VARIANCE = (
    1.0  # Of how far the charges of one task lie off together: its requests are longer than the average one.
)
REQUEST_VARIANCE = 0.5  # Of one request's charge, as a share of the mean charge, squared.
TENANT_VARIANCE = 0.05  # Of how much tenants differ on one model.
ELSEWHERE = ""  # Stands for all tasks on which too few tenants called a model.


class Ratio(msgspec.Struct, frozen=True, kw_only=True):
    """The logarithm of what a model charged over what it lists for an average request, from so many *requests*."""

    log: float
    requests: float


Ratios = Mapping[str, Mapping[str, Ratio]]  # By task and model.
Charges = Mapping[str, Mapping[str, Operations]]  # By task and model.


def ratios(charged: Charges, usage: Mapping[str, Usage], models: Mapping[str, Model]) -> dict[str, dict[str, Ratio]]:
    """
    Return how far charges lie off the price list for the average request, *usage*, of each task.

    Tasks without an average, and models without a price, a request or a charge, are left out.
    """
    found: dict[str, dict[str, Ratio]] = {}
    for task, average in usage.items():
        for name, seen in charged.get(task, {}).items():
            listed = _listed(models.get(name), average)
            if listed and seen.cost_micro_usd > 0:
                ratio = Ratio(log=log(seen.cost_micro_usd / seen.requests / listed), requests=seen.requests)
                found.setdefault(task, {})[name] = ratio
    return found


def pooled_ratios(
    tasks: Mapping[str, PooledTask], usage: Mapping[str, Usage], models: Mapping[str, Model]
) -> dict[str, dict[str, Ratio]]:
    """Return the ratios of all tenants together; what too few of them called on one task only counts with the model's other such tasks."""
    known = ratios({task: found.charged for task, found in tasks.items()}, usage, models)
    apart = {
        task: {name: ratio for name, ratio in by_model.items() if enough_callers([tasks[task]], [name])}
        for task, by_model in known.items()
    }
    together = {name: _merged(name, known, apart, tasks) for name in models}
    apart[ELSEWHERE] = {name: ratio for name, ratio in together.items() if ratio is not None}
    return {task: by_model for task, by_model in apart.items() if by_model}


def expected_costs(
    own: Charges, pool: Ratios, usage: Mapping[str, Usage], models: Mapping[str, Model]
) -> dict[str, dict[str, float]]:
    """
    Return the expected charge in micro-dollars by task of *own* and model.

    *own* are the tenant's charges, *pool* the ratios of all tenants and *usage* their average request by task. The scale is the
    tenant's own average request, before its first one the pool's; a task that nobody has an average of has no entry. It is the
    median that is expected: a model that may be cheap is worth the one call that settles it.
    """
    tasks = (*own, *(task for task in pool if task not in own))
    priced = [name for name, model in models.items() if model.price is not None]
    if not tasks or not priced:
        return {}
    averages = {task: average for task, found in own.items() if (average := average_usage(found.values()))}
    seen = _seen((pool, ratios(own, averages, models)), tasks, priced)
    learned = learn(_prior(len(tasks), len(priced)), seen)
    found: dict[str, dict[str, float]] = {}
    for t, task in enumerate(own):
        mine = averages.get(task)
        average = mine or usage.get(task)
        if average is not None:
            off = np.exp(learned.qualities[t] + learned.levels[0 if mine is None else 1, t])
            found[task] = {
                name: float(factor) * _listed(models[name], average) for name, factor in zip(priced, off, strict=True)
            }
    return found


def _prior(tasks: int, models: int) -> Prior:
    nothing = np.zeros((tasks, models))
    return Prior(
        means=nothing,
        similarity=compound(tasks, MODEL_VARIANCE, TASK_VARIANCE),
        doubt=np.ones(models),
        standing=nothing,
        level_variance=LEVEL_VARIANCE,
        trust_variance=1.0,
    )


def _seen(sources: tuple[Ratios, Ratios], tasks: tuple[str, ...], models: list[str]) -> Seen:
    """Return the ratios of the pool and of the tenant as the mixed model's two sources."""
    shape = (len(sources), len(tasks), len(models))
    means, precision = np.zeros(shape), np.zeros(shape)
    for s, (source, between) in enumerate(zip(sources, (TENANT_VARIANCE, 0.0), strict=True)):
        for t, task in enumerate(tasks):
            for m, name in enumerate(models):
                ratio = source.get(task, {}).get(name)
                if ratio is not None:
                    means[s, t, m] = ratio.log
                    precision[s, t, m] = 1.0 / (REQUEST_VARIANCE / ratio.requests + between)
    return Seen(means=means, precision=precision)


def _merged(name: str, known: Ratios, apart: Ratios, tasks: Mapping[str, PooledTask]) -> Ratio | None:
    """Return one ratio for all tasks on which *name* is not published, None where too few called it even so."""
    rest = {task: found[name] for task, found in known.items() if name in found and name not in apart[task]}
    if not enough_callers([tasks[task] for task in rest], [name]):
        return None
    callers = {task: len(tasks[task].callers[name]) for task in rest}
    cap = cap_of([(ratio.requests / callers[task], callers[task]) for task, ratio in rest.items()])
    weights = {task: min(ratio.requests, cap * callers[task]) for task, ratio in rest.items()}
    requests = sum(weights.values())
    return Ratio(log=sum(weights[task] * ratio.log for task, ratio in rest.items()) / requests, requests=requests)


def _listed(model: Model | None, average: Usage | None) -> float:
    return cost_micro_usd(model.price, average) if model and model.price and average else 0.0
