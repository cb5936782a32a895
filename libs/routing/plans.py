"""The part of a decision that sessions share, and the draw that is left for each of them."""

from bisect import bisect_right
from itertools import accumulate

import msgspec

from libs.contracts.events import Candidate, Decision, Evidence, ModelEstimates, SourceWeights, WeightsPublished
from libs.providers.catalogue import Model
from libs.routing.candidates import Models, RoutingRequest, field_of
from libs.routing.explain import verdicts
from libs.routing.priors import ANY_TASK
from libs.routing.propensity import best_probabilities
from libs.routing.scoring import Scored, applied_weights, scored
from libs.routing.shortlist import shortlisted
from libs.routing.statistics import MICRO
from libs.routing.strategies import best_of, chances_of, favourite_of

SEED_BITS = 53  # The most that is exact as a float and as a JSON number.
SWITCH_MARGIN = 0.02  # A session changes its model only for a gain a user could notice; less would follow the noise.
ORDERED = frozenset({"passthrough", "fallback"})

_BENCHMARK_ONLY = SourceWeights(benchmark=1.0)


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """
    A scored field with each candidate's probability, good for every session until the snapshot changes.

    *template* lacks what the draw decides; *best* has the highest utility, *favourite* is what the strategy prefers (None
    where it has no preference). *verdicts* hold evidence, confidence and its reason by candidate; *left_out* are models that
    only the shortlist removed; *refill_usd_per_token* is what a prompt token costs more outside the provider's cache.
    """

    template: Decision
    cumulative: tuple[float, ...]
    index: dict[str, int]
    best: int
    favourite: int | None
    left_out: frozenset[str]
    verdicts: tuple[tuple[Evidence, float, str], ...]
    cost_weight: float
    refill_usd_per_token: float


def plan_of(request: RoutingRequest, weights: WeightsPublished, models: Models) -> Plan:
    """Score the field and fix each candidate's probability. Raises NoCandidateError."""
    routing = request.policy.routing
    estimates = estimates_of(weights, request.task)
    tokens = (bucket(request.requirements.context_tokens), bucket(request.expected_output_tokens))
    eligible = field_of(request, models)
    known = [estimates[model.id] for model in eligible.models if model.id in estimates]
    applied = applied_weights(weights.weights, known)
    field = shortlisted(eligible, scored(eligible.models, estimates, applied, routing, tokens), keep=request.pinned)
    results = scored(field.models, estimates, applied, routing, tokens)
    day0 = best_of(scored(field.models, estimates, _BENCHMARK_ONLY, routing, tokens))
    key = f"{weights.scope}:{weights.version}:{request.task}:{','.join(model.id for model in field.models)}"
    chances = chances_of(field, results, floor=routing.exploration_floor, day0=day0, key=key)
    likelihoods = best_probabilities([item.utility for item in results], [item.variance for item in results], key=key)
    candidates = tuple(map(_candidate, field.models, results, chances, likelihoods))
    best = best_of(results)
    rule = request.rule
    template = Decision(
        strategy=field.strategy,
        task=request.task,
        phase=weights.phase,
        weights=applied,
        candidates=candidates,
        winner=candidates[best].model,
        provider=candidates[best].provider,
        propensity=chances[best],
        snapshot_version=weights.version,
        seed=0,
        filtered=field.filtered,
        not_shortlisted=len(eligible.models) - len(field.models),
        rule_id=rule.rule_id if rule is not None else None,
        baseline=_configured(request) or candidates[day0].model,
        pool_used=weights.pool_used,
    )
    return Plan(
        template=template,
        cumulative=tuple(accumulate(chances)),
        index={item.model: place for place, item in enumerate(candidates)},
        best=best,
        favourite=favourite_of(field, results),
        left_out=frozenset(model.id for model in eligible.models) - frozenset(model.id for model in field.models),
        verdicts=verdicts(template),
        cost_weight=routing.cost_weight,
        refill_usd_per_token=_refill_usd_per_token(field.models[best]),
    )


def choose(plan: Plan, request: RoutingRequest, *, seed: int) -> Decision:
    """Return the decision for one session: its pinned model while that stays worth it, else the draw of *seed*."""
    kept = plan.index.get(request.pinned) if request.pinned is not None else None
    if kept is None or (plan.template.strategy in ORDERED and not request.in_tool_loop):
        place = min(bisect_right(plan.cumulative, seed / (1 << SEED_BITS)), len(plan.cumulative) - 1)
        return _decided(plan, place, seed, pinned=False, propensity=plan.template.candidates[place].propensity)
    stays = request.in_tool_loop or not _worth_switching(plan, kept, request.requirements.context_tokens)
    return _decided(plan, kept if stays else plan.best, seed, pinned=stays, propensity=1.0)


def estimates_of(weights: WeightsPublished, task: str) -> dict[str, ModelEstimates]:
    """Return the estimates for *task*, or those for a task nobody has heard of."""
    known = weights.tasks.get(task)
    return weights.tasks.get(ANY_TASK, {}) if known is None else known


def overlaid(tenant: WeightsPublished, base: WeightsPublished) -> WeightsPublished:
    """Return the tenant's weights with *base*'s estimates (pool or Day 0) for tasks and models the tenant has none for."""
    tasks = dict(base.tasks)
    for task, estimates in tenant.tasks.items():
        tasks[task] = {**base.tasks.get(task, base.tasks.get(ANY_TASK, {})), **estimates}
    return msgspec.structs.replace(tenant, tasks=tasks)


def bucket(tokens: int) -> int:
    """Return the middle of the power of two that *tokens* lies in: similar requests share a plan."""
    return 0 if tokens <= 0 else 3 * (1 << (tokens - 1).bit_length()) // 4


def _worth_switching(plan: Plan, kept: int, context_tokens: int) -> bool:
    if plan.template.strategy != "feedback_driven":
        return False
    gain = plan.template.candidates[plan.best].utility - plan.template.candidates[kept].utility
    return gain > SWITCH_MARGIN + plan.cost_weight * plan.refill_usd_per_token * context_tokens


def _decided(plan: Plan, place: int, seed: int, *, pinned: bool, propensity: float) -> Decision:
    winner = plan.template.candidates[place]
    evidence, sure, reason = plan.verdicts[place]
    return msgspec.structs.replace(
        plan.template,
        winner=winner.model,
        provider=winner.provider,
        propensity=propensity,
        seed=seed,
        explored=plan.favourite is not None and place != plan.favourite,
        pinned=pinned,
        evidence=evidence,
        confidence=sure,
        confidence_reason=reason,
    )


def _configured(request: RoutingRequest) -> str | None:
    """Return the model that an operator calls the default."""
    of_rule = request.rule.default_model if request.rule is not None else None
    return of_rule or request.policy.default_model


def _candidate(model: Model, result: Scored, chance: float, likelihood: float) -> Candidate:
    return Candidate(
        provider=model.provider,
        model=model.id,
        scores=result.scores,
        score=result.score,
        utility=result.utility,
        variance=result.variance,
        samples=result.samples,
        propensity=chance,
        best_probability=likelihood,
    )


def _refill_usd_per_token(model: Model) -> float:
    return 0.0 if model.price is None else (model.price.fresh_input - model.price.cache_read) / MICRO
