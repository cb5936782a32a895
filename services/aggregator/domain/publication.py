"""From statistics to the weights that gateways use, for one tenant and for the pool."""

from collections.abc import Iterable, Mapping
from math import ceil

import msgspec

from libs.contracts.events import ModelEstimates, WeightsPublished
from libs.contracts.state import POOL, TenantPolicy
from libs.providers.catalogue import Model
from libs.providers.overrides import all_priced
from libs.routing import pool as pooling
from libs.routing.operations import with_operations
from libs.routing.phases import phase_of, source_weights
from libs.routing.pool import Pool, PooledTask
from libs.routing.posterior import estimate, pool_used
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


class Edition(msgspec.Struct, frozen=True, kw_only=True):
    """The particulars of one publication: its id, its time, and the version that it follows."""

    event_id: str
    now_ms: int
    now_day: int
    version: int


def tasks_due(previous: WeightsPublished | None, changed: Iterable[str]) -> tuple[str, ...]:
    """Return the tasks to compute: those that *changed*, and every one for a tenant without weights."""
    return tuple(sorted({*changed, *(EVERY_TASK if previous is None else ())}))


def tenant_weights(
    previous: WeightsPublished | None,
    statistics: TenantStatistics,
    knowledge: Knowledge,
    policy: TenantPolicy,
    edition: Edition,
) -> WeightsPublished:
    """
    Return the tenant's next weights: the tasks in *statistics* computed, the others as in *previous*.

    Cost, latency and error rate are those of the last half-life.
    """
    fresh = {task: _estimates(task, found, knowledge, policy, edition) for task, found in statistics.tasks.items()}
    tasks = {**(previous.tasks if previous else {}), **fresh}
    return WeightsPublished(
        event_id=edition.event_id,
        scope=policy.tenant,
        version=edition.version,
        published_at_ms=edition.now_ms,
        phase=phase_of(statistics.requests, statistics.rated_sessions),
        weights=source_weights(statistics.requests, statistics.rated_sessions, policy.routing.ramp),
        requests=statistics.requests,
        rated_sessions=statistics.rated_sessions,
        pool_used=any(pool_used(task, knowledge.pool, policy) for task in tasks),
        tasks=tasks,
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
    known = dict.fromkeys((*EVERY_TASK, *knowledge.pool.tasks), TaskStatistics())
    return tenant_weights(None, TenantStatistics(tasks=known), knowledge, nobody, edition)


def contribution(statistics: TaskStatistics, policy: TenantPolicy, now_day: int) -> Evidence:
    """Return what a tenant's statistics of one task are worth in the pool; the same sums its own estimates subtract."""
    return faded(statistics.evidence.items(), now_day, policy.routing.half_life_days)


def next_pool(
    previous: Pool, contributions: Mapping[str, Mapping[str, Evidence]], priors: Priors, models: Mapping[str, Model]
) -> Pool:
    """Return the pool with the tasks of *contributions* (task → tenant → evidence) replaced and the fit made anew."""
    fresh = {task: pooling.pooled(of_tenants) for task, of_tenants in contributions.items()}
    tasks = {task: found for task, found in {**previous.tasks, **fresh}.items() if found != PooledTask()}
    return pooling.fit(tasks, priors, models)


def _estimates(
    task: str, statistics: TaskStatistics, knowledge: Knowledge, policy: TenantPolicy, edition: Edition
) -> dict[str, ModelEstimates]:
    estimates = estimate(
        task,
        statistics.evidence,
        knowledge.pool,
        knowledge.priors,
        knowledge.models,
        policy=policy,
        now_day=edition.now_day,
    )
    since_day = edition.now_day - ceil(policy.routing.half_life_days)
    models = all_priced(knowledge.models, policy.prices)
    return with_operations(estimates, recent(statistics.operations, since_day=since_day), models)
