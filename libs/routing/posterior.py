"""Shrinkage from benchmark to pool to tenant: what a tenant may believe of each model on one task."""

from collections.abc import Iterable, Mapping

import msgspec

from libs.contracts.events import Estimate, ModelEstimates
from libs.contracts.state import TenantPolicy
from libs.providers.catalogue import Model
from libs.routing.pool import PSEUDO_EFFECT, Pool, PooledCell, benchmark_differences
from libs.routing.priors import VARIANCE, Priors, prior_of
from libs.routing.statistics import SOURCES, Cell, Evidence, FeedbackSource, Moments, Sums, faded

PSEUDO_PRIOR = 6.0  # Sessions' worth of the prior in the pool's mean.
TENANT_VARIANCE = 1 / 40  # Of one session's noise: how much tenants really differ on a model.
NOISE: dict[FeedbackSource, float] = {"session": 0.08, "auto": 0.22, "manual": 0.20}  # Variance of one session's score.
PSEUDO_NOISE = 20.0  # Sessions' worth of `NOISE` in the noise estimated from the data.
LEVEL_VARIANCE = 0.02  # How far a rater's harshness may move all models of a task together.


class _Belief(msgspec.Struct, frozen=True, kw_only=True):
    """What is believed before the tenant's own data, resting on *others* sessions of other tenants."""

    mean: float
    variance: float
    others: float


def estimate(
    task: str,
    cells: Mapping[Cell, Moments],
    pool: Pool,
    priors: Priors,
    models: Mapping[str, Model],
    *,
    policy: TenantPolicy,
    now_day: int,
    elsewhere: Mapping[Cell, Moments] | None = None,
) -> dict[str, ModelEstimates]:
    """
    Return what is known of every model of the catalogue on *task*.

    *cells* are the tenant's own of that task, *elsewhere* those of its other tasks, if at hand: a model that surprised there
    is expected to do so here. *pool* is the shared pool, which a tenant that does not consume never sees. The benchmark
    column is the prior as the pool has updated it; a source has estimates of all models as soon as the tenant has evidence of
    any, so that they can be compared.
    """
    half_life = policy.routing.half_life_days
    own = faded(cells.items(), now_day, half_life)
    base = _Base(pool=pool if policy.consume else Pool(), priors=priors, models=models)
    shared = own if policy.contribute and policy.consume else {}
    expected = {source: _expected(task, source, base) for source in SOURCES}
    others = _by_task(elsewhere or {}, now_day, half_life)
    columns = {
        source: _column(source, _moved(expected[source], source, base, others), own, shared) for source in SOURCES
    }
    benchmark = _beliefs("session", NOISE["session"], expected["session"], shared)
    return {
        model: ModelEstimates(
            benchmark=Estimate(mean=_clip(belief.mean), variance=belief.variance, samples=belief.others),
            session=columns["session"].get(model),
            auto=columns["auto"].get(model),
            manual=columns["manual"].get(model),
        )
        for model, belief in benchmark.items()
    }


def pool_used(task: str, pool: Pool, policy: TenantPolicy) -> bool:
    """Say whether estimates of *task* rest on other tenants' sessions."""
    return policy.consume and any(task in levels for levels in pool.levels.values())


class _Base(msgspec.Struct, frozen=True, kw_only=True):
    """What does not depend on the tenant's own data."""

    pool: Pool
    priors: Priors
    models: Mapping[str, Model]


class _Expected(msgspec.Struct, frozen=True, kw_only=True):
    """What benchmark and the pool's additive fit say of a model; *cell* is the pool's own word where it may be used."""

    mean: float
    doubt: float
    cell: PooledCell | None


def _expected(task: str, source: FeedbackSource, base: _Base) -> dict[str, _Expected]:
    priors = {model.id: prior_of(base.priors, model, task) for model in base.models.values()}
    differences = benchmark_differences(base.priors, base.models.values(), task)
    level = base.pool.levels.get(source, {}).get(task)
    effects = base.pool.effects.get(source, {})
    found = base.pool.tasks.get(task)
    return {
        model: _Expected(
            mean=prior.mean if level is None else level + differences[model] + effects.get(model, 0.0),
            doubt=prior.variance / VARIANCE,
            cell=None if found is None else found.cell(source, model),
        )
        for model, prior in priors.items()
    }


def _by_task(cells: Mapping[Cell, Moments], now_day: int, half_life_days: float) -> dict[str, Evidence]:
    grouped: dict[str, list[tuple[Cell, Moments]]] = {}
    for cell, moments in cells.items():
        grouped.setdefault(cell.task, []).append((cell, moments))
    return {task: faded(found, now_day, half_life_days) for task, found in sorted(grouped.items())}


def _moved(
    expected: Mapping[str, _Expected], source: FeedbackSource, base: _Base, elsewhere: Mapping[str, Evidence]
) -> dict[str, _Expected]:
    """Return *expected* moved by how much each model surprised the tenant on its other tasks."""
    surplus: dict[str, float] = {}
    weight: dict[str, float] = {}
    for task, evidence in elsewhere.items():
        there = _expected(task, source, base)
        mine = _heard(source, evidence, there)
        noise = _noise(source, mine)
        beliefs = _beliefs(source, noise, there, {})
        level = _level(mine, beliefs, noise)
        for model, sums in mine.items():
            surplus[model] = surplus.get(model, 0.0) + sums.sum_x - sums.n * (beliefs[model].mean + level)
            weight[model] = weight.get(model, 0.0) + sums.n
    return {
        model: msgspec.structs.replace(
            item, mean=item.mean + surplus.get(model, 0.0) / (weight.get(model, 0.0) + PSEUDO_EFFECT)
        )
        for model, item in expected.items()
    }


def _heard(source: FeedbackSource, own: Evidence, models: Iterable[str]) -> dict[str, Sums]:
    return {model: own[model, source] for model in models if (model, source) in own and own[model, source].n > 0}


def _column(
    source: FeedbackSource, expected: Mapping[str, _Expected], own: Evidence, shared: Evidence
) -> dict[str, Estimate]:
    """Return the posterior of every model by one source, nothing where the tenant has no evidence by it."""
    mine = _heard(source, own, expected)
    if not mine:
        return {}
    noise = _noise(source, mine)
    beliefs = _beliefs(source, noise, expected, shared)
    level = _level(mine, beliefs, noise)
    return {model: _posterior(mine.get(model, Sums()), belief, level, noise) for model, belief in beliefs.items()}


def _beliefs(
    source: FeedbackSource, noise: float, expected: Mapping[str, _Expected], shared: Evidence
) -> dict[str, _Belief]:
    return {model: _belief(prior, noise, shared.get((model, source), Sums())) for model, prior in expected.items()}


def _belief(prior: _Expected, noise: float, own_share: Sums) -> _Belief:
    """Return the pool's posterior as it would be without the tenant's own data."""
    others = prior.cell.without(own_share) if prior.cell is not None else Sums()
    weight = others.n + PSEUDO_PRIOR
    doubt = 1.0 if others.n > 0 else prior.doubt
    return _Belief(
        mean=(others.sum_x + PSEUDO_PRIOR * prior.mean) / weight,
        variance=noise * (1.0 / weight + TENANT_VARIANCE) * doubt,
        others=others.n,
    )


def _noise(source: FeedbackSource, mine: Mapping[str, Sums]) -> float:
    """Return the variance of one session's score: the usual one, corrected by the spread that is seen."""
    freedom = sum(max(0.0, sums.n - 1.0) for sums in mine.values())
    spread = sum(sums.spread for sums in mine.values() if sums.n > 1.0)
    return (PSEUDO_NOISE * NOISE[source] + spread) / (PSEUDO_NOISE + freedom)


def _level(mine: Mapping[str, Sums], beliefs: Mapping[str, _Belief], noise: float) -> float:
    """Return by how much this tenant rates all models higher than believed: harshness is not a model's merit."""
    weights = {model: 1.0 / (noise / sums.n + beliefs[model].variance) for model, sums in mine.items()}
    surplus = sum(weight * (mine[model].mean - beliefs[model].mean) for model, weight in weights.items())
    return surplus / (sum(weights.values()) + 1.0 / LEVEL_VARIANCE)


def _posterior(own: Sums, belief: _Belief, level: float, noise: float) -> Estimate:
    precision = own.n / noise + 1.0 / belief.variance
    mean = (own.sum_x / noise + (belief.mean + level) / belief.variance) / precision
    return Estimate(mean=_clip(mean), variance=1.0 / precision, samples=own.n)


def _clip(mean: float) -> float:
    return min(1.0, max(0.0, mean))
