"""What requests really cost and took, as expectations of every model on one task."""

from collections.abc import Iterable, Mapping

import msgspec

from libs.contracts.events import ModelEstimates, Usage
from libs.providers.catalogue import Model, cost_micro_usd
from libs.routing.pool import MIN_TENANTS

PSEUDO_REQUESTS = (
    2.0  # Requests' worth of the list price in a model's expected cost: models differ tenfold in wordiness.
)


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
) -> dict[str, ModelEstimates]:
    """
    Return *estimates* with expected cost, latency and error rate, from the tenant's *operations* and those of *others*.

    A model the tenant has not called costs what its average request would by the model's price list, times how much more than
    listed others were charged on average: so that a model called on long prompts does not look dear beside one that was not.
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
            (average, elsewhere),
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


def _with(
    item: ModelEstimates, model: Model, own: Operations, pool: Operations, averages: tuple[Usage | None, Usage | None]
) -> ModelEstimates:
    heard = own if own.requests else pool
    tried = own if own.requests + own.errors else pool
    attempts = tried.requests + tried.errors
    return msgspec.structs.replace(
        item,
        latency_ms=heard.latency_ms / heard.requests if heard.requests else None,
        cost_micro_usd=_expected_cost(model, own, pool, *averages),
        error_rate=tried.errors / attempts if attempts else None,
    )


def _expected_cost(
    model: Model, own: Operations, pool: Operations, average: Usage | None, elsewhere: Usage | None
) -> float | None:
    if model.price is None or average is None:
        return own.cost_micro_usd / own.requests if own.requests else None
    listed = float(cost_micro_usd(model.price, average))
    if elsewhere is not None:
        listed_elsewhere = cost_micro_usd(model.price, elsewhere)
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
