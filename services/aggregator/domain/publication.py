"""From statistics to the weights that gateways use, for one tenant and for the pool."""

from collections.abc import Iterable, Mapping
from math import ceil

import msgspec

from libs.contracts.events import ModelEstimates, WeightsPublished
from libs.contracts.state import POOL, TenantPolicy
from libs.providers.catalogue import Model
from libs.providers.overrides import all_priced
from libs.routing import pool as pooling
from libs.routing.costs import expected_costs
from libs.routing.noise import Ledger
from libs.routing.noised_tasks import Noise, noised_tasks, voided
from libs.routing.operations import Operations, with_operations
from libs.routing.phases import phase_of, source_weights
from libs.routing.pool import Pool, PooledTask
from libs.routing.posterior import estimates, pool_used
from libs.routing.priors import ANY_TASK, Priors
from libs.routing.statistics import Evidence, faded
from libs.routing.tasks import TASKS
from services.aggregator.domain.measures import TaskStatistics, TenantStatistics, recent

EVERY_TASK = (*TASKS, ANY_TASK)


class Knowledge(msgspec.Struct, frozen=True, kw_only=True):
    """What weights rest on besides the tenant's own statistics."""

    priors: Priors
    models: Mapping[str, Model]
    pool: Pool = Pool()


class Contribution(msgspec.Struct, frozen=True, kw_only=True):
    """What one tenant says of one task: its faded evidence, and by model the sums over its recent requests."""

    evidence: Evidence
    charges: Mapping[str, Operations]


class Edition(msgspec.Struct, frozen=True, kw_only=True):
    """The particulars of one publication: its id, its time, and the version that it follows."""

    event_id: str
    now_ms: int
    now_day: int
    version: int


def tasks_due(previous: WeightsPublished | None, changed: Iterable[str]) -> tuple[str, ...]:
    """Return the tasks to compute: every known one, for what a model shows on one task is expected of it on others."""
    return tuple(sorted({*EVERY_TASK, *(previous.tasks if previous else ()), *changed}))


def tenant_weights(
    statistics: TenantStatistics, knowledge: Knowledge, policy: TenantPolicy, edition: Edition
) -> WeightsPublished:
    """
    Return the tenant's next weights, with the tasks that are in *statistics*.

    Cost, latency and error rate are those of the last half-life.
    """
    pool = knowledge.pool if policy.consume else Pool()
    return WeightsPublished(
        event_id=edition.event_id,
        scope=policy.tenant,
        version=edition.version,
        published_at_ms=edition.now_ms,
        phase=phase_of(statistics.requests, statistics.rated_sessions),
        weights=source_weights(statistics.requests, statistics.rated_sessions, policy.routing.ramp),
        requests=statistics.requests,
        rated_sessions=statistics.rated_sessions,
        pool_used=any(pool_used(task, pool, policy) for task in statistics.tasks),
        tasks=_estimates(statistics, msgspec.structs.replace(knowledge, pool=pool), policy, edition.now_day),
    )


def is_news(previous: WeightsPublished | None, new: WeightsPublished) -> bool:
    """Say whether *new* tells a gateway anything that *previous* did not."""
    if previous is None:
        return True
    same = msgspec.structs.replace(
        new, event_id=previous.event_id, version=previous.version, published_at_ms=previous.published_at_ms
    )
    return same != previous


def pool_weights(knowledge: Knowledge, edition: Edition) -> WeightsPublished:
    """Return what a tenant without any history of its own starts from: Day 0, as the pool has updated it."""
    nobody = TenantPolicy(tenant=POOL)
    known = dict.fromkeys((*EVERY_TASK, *knowledge.pool.heard), TaskStatistics())
    return tenant_weights(TenantStatistics(tasks=known), knowledge, nobody, edition)


def contribution(statistics: TaskStatistics, policy: TenantPolicy, now_day: int) -> Contribution:
    """Return what a tenant's statistics of one task are worth in the pool; the same sums its own estimates rest on."""
    return Contribution(
        evidence=faded(statistics.evidence.items(), now_day, policy.routing.half_life_days),
        charges=_charges(statistics, policy, now_day),
    )


def next_pool(
    previous: Pool,
    contributions: Mapping[str, Mapping[str, Contribution]],
    priors: Priors,
    models: Mapping[str, Model],
    noise: Noise | None = None,
    *,
    day: int = 0,
) -> Pool:
    """
    Return the pool with the tasks of *contributions* (task → tenant → contribution) replaced and the fit made anew.

    With *noise* they are said as far as the budget of *day* goes.
    """
    if noise is not None:
        said = {task: _evidence(found) for task, found in contributions.items()}
        tasks, ledger = noised_tasks(previous.tasks, said, previous.ledger or Ledger(), noise, day=day)
        return msgspec.structs.replace(pooling.fit(tasks, priors, models), ledger=ledger)
    exact = {**previous.tasks, **{task: _pooled(found) for task, found in contributions.items()}}
    kept = voided(previous.ledger) if previous.ledger else msgspec.UNSET
    return msgspec.structs.replace(pooling.fit(exact, priors, models), ledger=kept)


def _evidence(contributions: Mapping[str, Contribution]) -> dict[str, Evidence]:
    return {tenant: found.evidence for tenant, found in contributions.items()}


def _pooled(contributions: Mapping[str, Contribution]) -> PooledTask:
    return pooling.pooled(
        _evidence(contributions),
        {tenant: found.charges for tenant, found in contributions.items()},
    )


def _charges(statistics: TaskStatistics, policy: TenantPolicy, now_day: int) -> dict[str, Operations]:
    return recent(statistics.operations, since_day=now_day - ceil(policy.routing.half_life_days))


def _estimates(
    statistics: TenantStatistics, knowledge: Knowledge, policy: TenantPolicy, now_day: int
) -> dict[str, dict[str, ModelEstimates]]:
    pool, models = knowledge.pool, knowledge.models
    if not statistics.tasks or not models:
        return {task: {} for task in statistics.tasks}
    cells = {task: found.evidence for task, found in statistics.tasks.items()}
    believed = estimates(cells, pool, knowledge.priors, models, policy=policy, now_day=now_day)
    own = {task: _charges(found, policy, now_day) for task, found in statistics.tasks.items()}
    costs = expected_costs(own, pool.ratios, pool.usage, all_priced(models, policy.prices))
    return {
        task: with_operations(found, own[task], others=_others(task, pool), costs=costs.get(task))
        for task, found in believed.items()
    }


def _others(task: str, pool: Pool) -> dict[str, Operations]:
    return pool.tasks[task].operations if task in pool.tasks else {}
