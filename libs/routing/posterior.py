"""Shrinkage from benchmark to pool to tenant: what a tenant may believe of each model on each of its tasks."""

from collections.abc import Mapping
from typing import TypeAlias

import msgspec
import numpy as np

from libs.contracts.events import Estimate, ModelEstimates
from libs.contracts.state import TenantPolicy
from libs.providers.catalogue import Model
from libs.routing.day0_belief import MODEL_VARIANCE, TASK_VARIANCE, compound, day0_belief
from libs.routing.mixed import Floats, Learned, Prior, Seen, learn, shrunk_covariance
from libs.routing.pool import Pool
from libs.routing.priors import Priors
from libs.routing.statistics import SOURCES, Cell, Evidence, Moments, Sums, faded
from libs.routing.variances import estimated_variances

OWN_MODEL_VARIANCE = 0.001  # Of how much better a model is for this tenant than for others, on all of its tasks alike.
OWN_TASK_VARIANCE = 0.004  # The same on one task.
SOURCE_VARIANCE = 0.002  # Of how much better one source sees a model than the others do.
LEVEL_VARIANCE = 0.05  # How far a rater's harshness may move all models of a task together.
PSEUDO_NOISE = 20.0  # Sessions' worth of the usual noise in the noise estimated from the data.


_Own: TypeAlias = Mapping[str, Evidence]


class _Before(msgspec.Struct, frozen=True, kw_only=True):
    """Prior of the tenant's model, the pool's *levels* (sources × tasks), and *sessions* of others behind it (tasks × models)."""

    prior: Prior
    levels: Floats
    sessions: Floats


class _After(msgspec.Struct, frozen=True, kw_only=True):
    """The tenant's own scores, and what they teach."""

    seen: Seen
    learned: Learned


def estimates(
    cells: Mapping[str, Mapping[Cell, Moments]],
    pool: Pool,
    priors: Priors,
    models: Mapping[str, Model],
    *,
    policy: TenantPolicy,
    now_day: int,
) -> dict[str, dict[str, ModelEstimates]]:
    """
    Return what is known of every model of the catalogue on each task of *cells*, the tenant's own by task.

    A model that surprised on one task is expected to do so on the others. *pool* is the shared pool, which a tenant that does
    not consume never sees. The benchmark column is the prior as the pool has updated it; a source has estimates of all models
    as soon as the tenant has evidence of any, so that they can be compared.
    """
    half_life = policy.routing.half_life_days
    own = {task: faded(found.items(), now_day, half_life) for task, found in cells.items()}
    known = pool if policy.consume else Pool()
    before = _before(own, known, priors, models, shares=policy.contribute and policy.consume)
    seen = _seen(own, list(models), before.levels)
    after = _After(seen=seen, learned=learn(before.prior, seen))
    return {task: _columns(t, evidence, list(models), before, after) for t, (task, evidence) in enumerate(own.items())}


def pool_used(task: str, pool: Pool, policy: TenantPolicy) -> bool:
    """Say whether estimates of *task* rest on other tenants' sessions."""
    return policy.consume and any(task in levels for levels in pool.levels.values())


def _before(own: _Own, pool: Pool, priors: Priors, models: Mapping[str, Model], *, shares: bool) -> _Before:
    """Return what is believed without the tenant's own data, in the order of its tasks and of *models*."""
    tasks, count = tuple(own), len(own)
    day0 = day0_belief(tasks, priors, models.values(), level_variance=LEVEL_VARIANCE)
    levels = np.array([[pool.levels.get(source, {}).get(task, 0.0) for task in tasks] for source in SOURCES])
    means, covariance = day0.means + pool.trust * day0.standing, day0.blocks()
    if pool.heard:
        every = (*tasks, *(task for task in pool.similarity if task not in own))
        precision, pull = _of_others(own if shares else {}, every, pool, list(models), levels[:, :, None] + means)
        blocks = day0.doubt[:, None, None] * _similarity(every, pool)
        known = shrunk_covariance(blocks, precision)[:, :count]
        means = means + np.einsum("mtu,um->tm", known, pull)
        covariance = known[:, :, :count]
    prior = msgspec.structs.replace(
        day0,
        means=means,
        covariance=covariance + compound(count, OWN_MODEL_VARIANCE, OWN_TASK_VARIANCE),
        trust_variance=day0.trust_variance if pool.trust_variance is None else pool.trust_variance,
    )
    return _Before(prior=prior, levels=levels, sessions=_sessions(own if shares else {}, tasks, pool, list(models)))


def _similarity(tasks: tuple[str, ...], pool: Pool) -> Floats:
    """Return how qualities on *tasks* go together; a task the pool does not know resembles all others alike."""
    found = compound(len(tasks), MODEL_VARIANCE, TASK_VARIANCE)
    known = [t for t, task in enumerate(tasks) if task in pool.similarity]
    if known:
        found[np.ix_(known, known)] = [[pool.similarity[tasks[t]][tasks[u]] for u in known] for t in known]
    return found


def _of_others(
    own: _Own, tasks: tuple[str, ...], pool: Pool, models: list[str], expected: Floats
) -> tuple[Floats, Floats]:
    """Return precision and pull of the pool (tasks × models) less the share of a tenant that contributed *own*; *expected* (S × T × M)."""
    precision, pull = np.zeros((len(tasks), len(models))), np.zeros((len(tasks), len(models)))
    index = {model: m for m, model in enumerate(models)}
    for t, task in enumerate(tasks):
        for model, heard in pool.heard.get(task, {}).items():
            if model in index:
                precision[t, index[model]], pull[t, index[model]] = heard.precision, heard.pull
    for t, (task, evidence) in enumerate(own.items()):
        for (model, source), mine in evidence.items():
            m = index.get(model)
            cell = pool.tasks[task].cell(source, model) if task in pool.tasks and m is not None else None
            if cell is not None and m is not None:
                weight = min(precision[t, m], cell.precision(source) * cell.share_of(mine))
                precision[t, m] -= weight
                pull[t, m] -= weight * (mine.mean - expected[SOURCES.index(source), t, m])
    return precision, pull


def _sessions(own: _Own, tasks: tuple[str, ...], pool: Pool, models: list[str]) -> Floats:
    """Return how many rated sessions of others the pool holds (tasks × models)."""
    found = np.zeros((len(tasks), len(models)))
    for t, task in enumerate(tasks):
        for m, model in enumerate(models):
            cell = pool.tasks[task].cell("session", model) if task in pool.tasks else None
            if cell is not None and cell.published:
                found[t, m] = cell.without(own.get(task, {}).get((model, "session"), Sums())).n
    return found


def _seen(own: Mapping[str, Evidence], models: list[str], levels: Floats) -> Seen:
    """Return the tenant's scores less the levels that the pool has found."""
    shape = (len(SOURCES), len(own), len(models))
    means, precision = np.zeros(shape), np.zeros(shape)
    index = {model: m for m, model in enumerate(models)}
    noise = estimated_variances(own.values(), PSEUDO_NOISE)
    for s, source in enumerate(SOURCES):
        for t, evidence in enumerate(own.values()):
            for (model, by), sums in evidence.items():
                if by == source and model in index and sums.n > 0:
                    means[s, t, index[model]] = sums.mean - levels[s, t]
                    precision[s, t, index[model]] = 1.0 / (noise[source] / sums.n + SOURCE_VARIANCE)
    return Seen(means=means, precision=precision)


def _columns(
    t: int, evidence: Evidence, models: list[str], before: _Before, after: _After
) -> dict[str, ModelEstimates]:
    """Return the columns of one task: what all sources say together, and on top what each of them sees differently."""
    learned, scores = after.learned, after.seen
    common = learned.means[t] + learned.levels[:, t, None]
    own_view = SOURCE_VARIANCE * scores.precision[:, t] * (scores.means[:, t] - common)
    columns = np.clip(common + before.levels[:, t, None] + own_view, 0.0, 1.0)
    variances = learned.covariance[:, t, t].tolist()
    heard = {
        source: [
            Estimate(mean=mean, variance=variance, samples=evidence.get((model, source), Sums()).n)
            for model, mean, variance in zip(models, column.tolist(), variances, strict=True)
        ]
        for source, column in zip(SOURCES, columns, strict=True)
        if any(by == source and sums.n > 0 for (_, by), sums in evidence.items())
    }
    return {
        model: ModelEstimates(
            benchmark=benchmark,
            session=heard["session"][m] if "session" in heard else None,
            auto=heard["auto"][m] if "auto" in heard else None,
            manual=heard["manual"][m] if "manual" in heard else None,
        )
        for m, (model, benchmark) in enumerate(zip(models, _benchmarks(t, before), strict=True))
    }


def _benchmarks(t: int, before: _Before) -> list[Estimate]:
    """Return the benchmark column of one task: the prior as the pool has updated it."""
    means = np.clip(before.prior.means[t] + before.levels[SOURCES.index("session"), t], 0.0, 1.0).tolist()
    variances, sessions = before.prior.blocks()[:, t, t].tolist(), before.sessions[t].tolist()
    return [
        Estimate(mean=mean, variance=variance, samples=samples)
        for mean, variance, samples in zip(means, variances, sessions, strict=True)
    ]
