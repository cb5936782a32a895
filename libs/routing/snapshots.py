"""The estimates a decision uses: a tenant's own over the pool's over those of the shipped benchmarks."""

import msgspec

from libs.contracts.events import ModelEstimates, WeightsPublished
from libs.routing.priors import ANY_TASK


class Overlaid(WeightsPublished, frozen=True, kw_only=True):
    """Weights with those of event *base_id* under them."""

    base_id: str


def effective(own: WeightsPublished | None, pool: WeightsPublished | None, day0: WeightsPublished) -> WeightsPublished:
    """Return what a tenant's requests are decided with; *pool* None stands for one that it does not consume."""
    base = day0 if pool is None else pool_base(pool, day0)
    return base if own is None else overlaid(own, base)


def pool_base(pool: WeightsPublished, day0: WeightsPublished) -> WeightsPublished:
    """Return Day 0 with the benchmark column as the pool has corrected it: what a tenant without own weights uses."""
    return msgspec.structs.replace(overlaid(pool, day0), phase=day0.phase, weights=day0.weights, pool_used=True)


def estimates_of(weights: WeightsPublished, task: str) -> dict[str, ModelEstimates]:
    """Return the estimates for *task*, or those for a task nobody has heard of."""
    known = weights.tasks.get(task)
    return weights.tasks.get(ANY_TASK, {}) if known is None else known


def base_id_of(weights: WeightsPublished) -> str | None:
    """Return the event whose estimates lie under *weights*, None where there are none."""
    return weights.base_id if isinstance(weights, Overlaid) else None


def overlaid(tenant: WeightsPublished, base: WeightsPublished) -> Overlaid:
    """Return the tenant's weights with *base*'s estimates (pool or Day 0) for tasks and models the tenant has none for."""
    tasks = dict(base.tasks)
    for task, estimates in tenant.tasks.items():
        tasks[task] = {**base.tasks.get(task, base.tasks.get(ANY_TASK, {})), **estimates}
    return Overlaid(**msgspec.structs.asdict(tenant) | {"tasks": tasks, "base_id": base.event_id})
