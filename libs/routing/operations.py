"""What requests really cost and took, as expectations of every model on one task."""

from collections.abc import Iterable, Mapping
from math import exp, log

import msgspec

from libs.contracts.events import ModelEstimates, Usage
from libs.providers.catalogue import Model, cost_micro_usd
from libs.routing.pooled_cells import MIN_TENANTS

PSEUDO_REQUESTS = (
    2.0  # Requests' worth of the list price in a model's expected cost: models differ tenfold in wordiness.
)
PSEUDO_TASKS = 0.3  # Tasks' worth of the list price in a model's cost factor.


class Operations(msgspec.Struct, frozen=True, kw_only=True):
    """
    Sums over requests to one model on one task; failed attempts count in *errors* only.

    The token buckets, *cost_micro_usd* and *latency_ms* add up over the *requests* that were served.
    """

    requests: int = 0
    errors: int = 0
    fresh_input: int = 0
    cache_read: int = 0
    cache_write: int = 0
    output: int = 0
    reasoning: int = 0
    cost_micro_usd: int = 0
    latency_ms: int = 0


def with_operations(
    estimates: Mapping[str, ModelEstimates],
    operations: Mapping[str, Operations],
    models: Mapping[str, Model],
    *,
    others: Mapping[str, Operations] | None = None,
    factors: Mapping[str, float] | None = None,
) -> dict[str, ModelEstimates]:
    """
    Return *estimates* with expected cost, latency and error rate, from the tenant's *operations* and those of *others*.

    A model the tenant has not called costs what its average request would by the model's price list, times how much more than
    listed others were charged on average: so that a model called on long prompts does not look dear beside one that was not.
    *factors* (`cost_factors`) say how much more than listed the model costs on other tasks.
    """
    pool = others or {}
    average = _average(operations.values()) or _average(pool.values())
    elsewhere = _average(pool.values())
    return {
        model: _with(
            item,
            models[model],
            operations.get(model, Operations()),
            pool.get(model, Operations()),
            _Expected(average=average, elsewhere=elsewhere, factor=(factors or {}).get(model, 1.0)),
        )
        for model, item in estimates.items()
    }


def pooled_operations(contributions: Mapping[str, Mapping[str, Operations]]) -> dict[str, Operations]:
    """Return the sums over tenants (tenant → model → sums) of the models that enough tenants have called."""
    by_model: dict[str, list[Operations]] = {}
    for operations in contributions.values():
        for model, seen in operations.items():
            if seen.requests:
                by_model.setdefault(model, []).append(seen)
    return {model: _sum(found) for model, found in sorted(by_model.items()) if len(found) >= MIN_TENANTS}


def cost_factors(charged: Mapping[str, Mapping[str, Operations]], models: Mapping[str, Model]) -> dict[str, float]:
    """
    Return how many times the list price of an average request each model really costs, from task → model → sums.

    A geometric mean over tasks, each compared with its own average request; models without a price or a request have none.
    """
    logs: dict[str, float] = {}
    weights: dict[str, float] = {}
    for operations in charged.values():
        average = _average(operations.values())
        for name, seen in operations.items():
            model = models.get(name)
            listed = cost_micro_usd(model.price, average) if model and model.price and average else 0
            if listed > 0 and seen.cost_micro_usd > 0:
                weight = seen.requests / (seen.requests + PSEUDO_REQUESTS)
                logs[name] = logs.get(name, 0.0) + weight * log(seen.cost_micro_usd / seen.requests / listed)
                weights[name] = weights.get(name, 0.0) + weight
    return {name: exp(total / (weights[name] + PSEUDO_TASKS)) for name, total in logs.items()}


def pooled_cost_factors(
    contributions: Mapping[str, Mapping[str, Mapping[str, Operations]]], models: Mapping[str, Model]
) -> dict[str, float]:
    """Return the `cost_factors` of all tenants together (task → tenant → model → sums) for models that enough have called."""
    tenants: dict[str, set[str]] = {}
    charged: dict[str, dict[str, list[Operations]]] = {}
    for task, by_tenant in contributions.items():
        for tenant, operations in by_tenant.items():
            for name, seen in operations.items():
                tenants.setdefault(name, set()).add(tenant)
                charged.setdefault(task, {}).setdefault(name, []).append(seen)
    totals = {task: {name: _sum(seen) for name, seen in found.items()} for task, found in charged.items()}
    factors = cost_factors(totals, models)
    return {name: factor for name, factor in factors.items() if len(tenants[name]) >= MIN_TENANTS}


class _Expected(msgspec.Struct, frozen=True, kw_only=True):
    """The average request here and at others, None where there is none, and the model's cost factor."""

    average: Usage | None
    elsewhere: Usage | None
    factor: float


def _with(item: ModelEstimates, model: Model, own: Operations, pool: Operations, expected: _Expected) -> ModelEstimates:
    heard = own if own.requests else pool
    tried = own if own.requests + own.errors else pool
    attempts = tried.requests + tried.errors
    return msgspec.structs.replace(
        item,
        latency_ms=heard.latency_ms / heard.requests if heard.requests else None,
        cost_micro_usd=_expected_cost(model, own, pool, expected),
        error_rate=tried.errors / attempts if attempts else None,
    )


def _expected_cost(model: Model, own: Operations, pool: Operations, expected: _Expected) -> float | None:
    if model.price is None or expected.average is None:
        return own.cost_micro_usd / own.requests if own.requests else None
    listed = expected.factor * cost_micro_usd(model.price, expected.average)
    if expected.elsewhere is not None:
        listed_elsewhere = expected.factor * cost_micro_usd(model.price, expected.elsewhere)
        listed *= _blend(listed_elsewhere, pool) / listed_elsewhere if listed_elsewhere else 1.0
    return _blend(listed, own)


def _blend(expected: float, seen: Operations) -> float:
    return (PSEUDO_REQUESTS * expected + seen.cost_micro_usd) / (PSEUDO_REQUESTS + seen.requests)


def _average(operations: Iterable[Operations]) -> Usage | None:
    total = _sum(operations)
    if not total.requests:
        return None
    return Usage(
        fresh_input=total.fresh_input // total.requests,
        cache_read=total.cache_read // total.requests,
        cache_write=total.cache_write // total.requests,
        output=total.output // total.requests,
        reasoning=total.reasoning // total.requests,
    )


def _sum(operations: Iterable[Operations]) -> Operations:
    found = list(operations)
    return Operations(**{name: sum(getattr(seen, name) for seen in found) for name in Operations.__struct_fields__})
