"""The part of a decision that sessions share, and the draw that is left for each of them."""

from bisect import bisect_right
from itertools import accumulate

import msgspec

from libs.contracts.events import (
    Candidate,
    Decision,
    DecisionInputs,
    Evidence,
    SourceWeights,
    WeightsPublished,
)
from libs.providers.catalogue import Model
from libs.routing.candidates import OPTIMISED, Field, Models, RoutingRequest, field_of
from libs.routing.constraints import gated, is_held, is_trial, stage_of
from libs.routing.explain import verdicts
from libs.routing.propensity import best_probabilities
from libs.routing.scoring import Scored, applied_weights, scored
from libs.routing.shortlist import MAX_CANDIDATES, shortlisted
from libs.routing.snapshots import base_id_of, estimates_of
from libs.routing.statistics import MICRO
from libs.routing.strategies import best_of, chances_of, favourite_of

SEED_BITS = 53  # The most that is exact as a float and as a JSON number.
SWITCH_MARGIN = 0.02  # A session changes its model only for a gain a user could notice; less would follow the noise.
ORDERED = frozenset({"passthrough", "fallback"})

_BENCHMARK_ONLY = SourceWeights(benchmark=1.0)


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """
    A scored field with each candidate's probability, good for every session until the snapshot changes.

    *template* lacks what the draw decides, and *inputs* what is the request's own; *best* has the highest utility, *favourite*
    is what the strategy prefers (None where it has no preference). *verdicts* hold evidence, confidence and its reason by
    candidate; *held* serves whatever is drawn, where the gates say so; *left_out* are models that only the shortlist removed; *refill_usd_per_token* is what a prompt token costs more
    outside the provider's cache.
    """

    template: Decision
    inputs: DecisionInputs
    cumulative: tuple[float, ...]
    index: dict[str, int]
    best: int
    held: int | None
    favourite: int | None
    verdicts: tuple[tuple[Evidence, float, str], ...]
    cost_weight: float
    refill_usd_per_token: float
    left_out: frozenset[str] = frozenset()


def plan_of(request: RoutingRequest, weights: WeightsPublished, models: Models) -> Plan:
    """Score the models that pass the constraints and fix each one's probability. Raises NoCandidateError."""
    field = field_of(request, models)
    if request.gates is not None and field.strategy in OPTIMISED:
        _, results, benchmarks = _scores(field, request, weights)
        reference = _reference(field, request, benchmarks)
        field = gated(field, results, reference, request.gates, trial=is_trial(request))
    if len(field.models) <= MAX_CANDIDATES:
        return plan_on(field, request, weights)
    _, results, _ = _scores(field, request, weights)
    short = shortlisted(field, results, keep=(request.pinned, request.default_model))
    left_out = frozenset(model.id for model in field.models) - frozenset(model.id for model in short.models)
    return msgspec.structs.replace(plan_on(short, request, weights), left_out=left_out)


def plan_on(field: Field, request: RoutingRequest, weights: WeightsPublished) -> Plan:
    """Score *field* and fix each candidate's probability."""
    applied, results, benchmarks = _scores(field, request, weights)
    day0, best = best_of(benchmarks), best_of(results)
    key = f"{weights.scope}:{weights.version}:{request.task}:{','.join(model.id for model in field.models)}"
    chances = chances_of(field, results, floor=request.policy.routing.exploration_floor, day0=day0, key=key)
    likelihoods = best_probabilities([item.utility for item in results], [item.variance for item in results], key=key)
    candidates = tuple(map(_candidate, field.models, results, chances, likelihoods))
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
        not_shortlisted=field.not_shortlisted,
        rule_id=rule.rule_id if rule is not None else None,
        baseline=request.default_model or candidates[day0].model,
        pool_used=weights.pool_used,
        stage=stage_of(field, request),
    )
    return Plan(
        template=template,
        inputs=_inputs(field, request, weights),
        cumulative=tuple(accumulate(chances)),
        index={item.model: place for place, item in enumerate(candidates)},
        best=best,
        held=_reference(field, request, benchmarks) if is_held(field, request) else None,
        favourite=favourite_of(field, results),
        verdicts=verdicts(template),
        cost_weight=request.policy.routing.cost_weight,
        refill_usd_per_token=_refill_usd_per_token(field.models[best]),
    )


def choose(plan: Plan, request: RoutingRequest, *, seed: int) -> Decision:
    """Return the decision for one session: its pinned model while that stays worth it, else the draw of *seed*."""
    kept = plan.index.get(request.pinned) if request.pinned is not None else None
    if plan.held is not None and (kept is None or not request.in_tool_loop):
        shadowed = plan.template.candidates[_drawn(plan, seed)].model
        held = _decided(plan, request, plan.held, seed, pinned=False, propensity=1.0)
        return msgspec.structs.replace(held, shadowed=shadowed, explored=False)
    if kept is None or (plan.template.strategy in ORDERED and not request.in_tool_loop):
        place = _drawn(plan, seed)
        chance = plan.template.candidates[place].propensity
        return _decided(plan, request, place, seed, pinned=False, propensity=chance)
    stays = request.in_tool_loop or not _worth_switching(plan, kept, request.requirements.context_tokens)
    return _decided(plan, request, kept if stays else plan.best, seed, pinned=stays, propensity=1.0)


def _drawn(plan: Plan, seed: int) -> int:
    return min(bisect_right(plan.cumulative, seed / (1 << SEED_BITS)), len(plan.cumulative) - 1)


def bucket(tokens: int) -> int:
    """Return the middle of the power of two that *tokens* lies in: similar requests share a plan."""
    return 0 if tokens <= 0 else 3 * (1 << (tokens - 1).bit_length()) // 4


def _scores(
    field: Field, request: RoutingRequest, weights: WeightsPublished
) -> tuple[SourceWeights, list[Scored], list[Scored]]:
    """Return the weights that apply to *field*, and its scores under them and under benchmarks alone."""
    estimates = estimates_of(weights, request.task)
    applied = applied_weights(weights.weights, [estimates[model.id] for model in field.models if model.id in estimates])
    tokens = (bucket(request.requirements.context_tokens), bucket(request.expected_output_tokens))
    routing = request.policy.routing
    return (
        applied,
        scored(field.models, estimates, applied, routing, tokens),
        scored(field.models, estimates, _BENCHMARK_ONLY, routing, tokens),
    )


def _worth_switching(plan: Plan, kept: int, context_tokens: int) -> bool:
    if plan.template.strategy != "feedback_driven":
        return False
    gain = plan.template.candidates[plan.best].utility - plan.template.candidates[kept].utility
    return gain > SWITCH_MARGIN + plan.cost_weight * plan.refill_usd_per_token * context_tokens


def _decided(
    plan: Plan, request: RoutingRequest, place: int, seed: int, *, pinned: bool, propensity: float
) -> Decision:
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
        inputs=msgspec.structs.replace(
            plan.inputs,
            context_tokens=request.requirements.context_tokens,
            expected_output_tokens=request.expected_output_tokens,
            pinned=request.pinned,
            in_tool_loop=request.in_tool_loop,
            task_by=request.task_by,
        ),
    )


def _inputs(field: Field, request: RoutingRequest, weights: WeightsPublished) -> DecisionInputs:
    """Return what every session of the plan has in common."""
    routing = request.policy.routing
    return DecisionInputs(
        snapshot_id=weights.event_id,
        base_id=base_id_of(weights),
        requested=request.requested,
        cost_weight=routing.cost_weight,
        latency_weight=routing.latency_weight,
        exploration_floor=routing.exploration_floor,
        default_model=request.default_model,
        trial=request.gates is not None and is_trial(request),
        shares=field.shares if field.strategy == "weighted" else {},
        prices={
            model.id: (model.price.fresh_input, model.price.cache_read, model.price.output)
            for model in field.models
            if model.price is not None
        },
    )


def _reference(field: Field, request: RoutingRequest, benchmarks: list[Scored]) -> int:
    """Return the place of what gates compare with: the default model where it may serve, else the choice of Day 0."""
    places = (place for place, model in enumerate(field.models) if model.id == request.default_model)
    return next(places, best_of(benchmarks))


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
