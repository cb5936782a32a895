"""What requests really cost and took, as expectations of every model on one task."""

from collections.abc import Mapping

import msgspec

from libs.contracts.events import ModelEstimates, Usage
from libs.providers.catalogue import Model, cost_micro_usd

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
    estimates: Mapping[str, ModelEstimates], operations: Mapping[str, Operations], models: Mapping[str, Model]
) -> dict[str, ModelEstimates]:
    """
    Return *estimates* with expected cost, latency and error rate.

    A model nobody has called yet costs what the task's average request would by its price list: so that models which were
    called on long prompts do not look dear beside those which were not.
    """
    average = _average(operations)
    return {
        model: _with(item, models[model], operations.get(model, Operations()), average)
        for model, item in estimates.items()
    }


def _with(item: ModelEstimates, model: Model, seen: Operations, average: Usage | None) -> ModelEstimates:
    attempts = seen.requests + seen.errors
    return msgspec.structs.replace(
        item,
        latency_ms=seen.latency_ms / seen.requests if seen.requests else None,
        cost_micro_usd=_expected_cost(model, seen, average),
        error_rate=seen.errors / attempts if attempts else None,
    )


def _expected_cost(model: Model, seen: Operations, average: Usage | None) -> float | None:
    if model.price is None or average is None:
        return seen.cost_micro_usd / seen.requests if seen.requests else None
    listed = cost_micro_usd(model.price, average)
    return (PSEUDO_REQUESTS * listed + seen.cost_micro_usd) / (PSEUDO_REQUESTS + seen.requests)


def _average(operations: Mapping[str, Operations]) -> Usage | None:
    requests = sum(seen.requests for seen in operations.values())
    if not requests:
        return None
    return Usage(
        fresh_input=sum(seen.fresh_input for seen in operations.values()) // requests,
        cache_read=sum(seen.cache_read for seen in operations.values()) // requests,
        cache_write=sum(seen.cache_write for seen in operations.values()) // requests,
        output=sum(seen.output for seen in operations.values()) // requests,
        reasoning=sum(seen.reasoning for seen in operations.values()) // requests,
    )
