"""What requests really cost and took, as expectations of every model on one task."""

from collections.abc import Iterable, Mapping

import msgspec

from libs.contracts.events import ModelEstimates, Usage


class Operations(msgspec.Struct, frozen=True, kw_only=True):
    """
    Sums over requests to one model on one task; failed attempts count in *errors* only.

    The token buckets, *cost_micro_usd* and *latency_ms* add up over the *requests* that were served. A tenant's own sums are
    whole numbers; in the pool a tenant may count for a fraction.
    """

    requests: float = 0
    errors: float = 0
    fresh_input: float = 0
    cache_read: float = 0
    cache_write: float = 0
    output: float = 0
    reasoning: float = 0
    cost_micro_usd: float = 0
    latency_ms: float = 0

    @property
    def attempts(self) -> float:
        """Return how often the model was called, with and without success."""
        return self.requests + self.errors


NONE = Operations()


def with_operations(
    estimates: Mapping[str, ModelEstimates],
    operations: Mapping[str, Operations],
    *,
    others: Mapping[str, Operations] | None = None,
    costs: Mapping[str, float] | None = None,
) -> dict[str, ModelEstimates]:
    """
    Return *estimates* with expected cost, latency and error rate.

    *costs* are micro-dollars by model (`expected_costs`). Latency and error rate are those of the tenant's *operations*, of a
    model it has not called those of *others*.
    """
    pool, expected = others or {}, costs or {}
    return {
        model: _with(item, operations.get(model, NONE), pool.get(model, NONE), expected.get(model))
        for model, item in estimates.items()
    }


def average_usage(operations: Iterable[Operations]) -> Usage | None:
    """Return the average request of those served, None where there is none."""
    total = summed(operations)
    if not total.requests:
        return None
    return Usage(
        fresh_input=int(total.fresh_input // total.requests),
        cache_read=int(total.cache_read // total.requests),
        cache_write=int(total.cache_write // total.requests),
        output=int(total.output // total.requests),
        reasoning=int(total.reasoning // total.requests),
    )


def summed(operations: Iterable[Operations]) -> Operations:
    """Return the sum, field by field."""
    columns = zip(*map(msgspec.structs.astuple, operations), strict=True)
    return Operations(
        **{name: sum(column) for name, column in zip(Operations.__struct_fields__, columns, strict=False)}
    )


def scaled(operations: Operations, share: float) -> Operations:
    """Return *operations* as if only *share* of them had been seen."""
    return Operations(**{name: share * getattr(operations, name) for name in Operations.__struct_fields__})


def _with(item: ModelEstimates, own: Operations, pool: Operations, cost: float | None) -> ModelEstimates:
    heard = own if own.requests else pool
    tried = own if own.attempts else pool
    return msgspec.structs.replace(
        item,
        latency_ms=heard.latency_ms / heard.requests if heard.requests else None,
        cost_micro_usd=own.cost_micro_usd / own.requests if cost is None and own.requests else cost,
        error_rate=tried.errors / tried.attempts if tried.attempts else None,
    )
