"""Optimisation gates: which models may not yet, or no longer, take the place of a route's baseline, and why."""

import hashlib
from collections.abc import Mapping
from math import erf, sqrt

import msgspec

from libs.contracts.events import Filtered, Stage
from libs.contracts.state import ANY_ROUTE, OptimizationGates, RoutingRule
from libs.providers.catalogue import Model
from libs.routing.candidates import OPTIMISED, Field, RoutingRequest
from libs.routing.scoring import Scored

VALIDATING_SAMPLES = 30  # Effective sessions that validate a cheap model where no least number is set.
_HASH_BITS = 64


class Breach(msgspec.Struct, frozen=True, kw_only=True):
    """A gate that a model does not pass: what was *measured* lies beyond *limit*."""

    gate: str
    measured: float
    limit: float


def gated(field: Field, results: list[Scored], reference: int, gates: OptimizationGates, *, trial: bool) -> Field:
    """
    Return *field* without the models that *gates* keep from serving; the one at place *reference* always stays.

    A *trial* session is one of those that gather evidence: gates that ask for evidence let it pass.
    """
    baseline = results[reference]
    breaches = [
        None if place == reference else breach_of(result, baseline, gates, trial=trial)
        for place, result in enumerate(results)
    ]
    return msgspec.structs.replace(
        field,
        models=tuple(model for model, breach in zip(field.models, breaches, strict=True) if breach is None),
        filtered=field.filtered
        + tuple(_filtered(model, breach) for model, breach in zip(field.models, breaches, strict=True) if breach),
    )


def gates_for(rule: RoutingRule | None, gates: Mapping[str, OptimizationGates]) -> OptimizationGates | None:
    """Return the gates of *rule* among a tenant's *gates* by route, else those that hold for every route."""
    own = None if rule is None else gates.get(rule.rule_id)
    return own or gates.get(ANY_ROUTE)


def breach_of(candidate: Scored, baseline: Scored, gates: OptimizationGates, *, trial: bool) -> Breach | None:
    """Return the first gate that *candidate* does not pass against *baseline*, None where it may serve."""
    expected = _beyond_expectation(candidate, baseline, gates)
    return (
        expected if expected is not None or trial or gates.stage == "shadow" else _unproven(candidate, baseline, gates)
    )


def is_trial(request: RoutingRequest) -> bool:
    """Say whether the session is one of the canary share: the same sessions for as long as the share stays."""
    if request.gates is None:
        return False
    route = ANY_ROUTE if request.rule is None else request.rule.rule_id
    text = f"{len(request.tenant)}:{request.tenant}{len(route)}:{route}{request.session_id}"
    digest = hashlib.blake2b(text.encode(), digest_size=_HASH_BITS // 8, person=b"canary").digest()
    return int.from_bytes(digest, "big") < request.gates.canary_share * (1 << _HASH_BITS)


def is_held(field: Field, request: RoutingRequest) -> bool:
    """Say whether only the baseline may serve the request."""
    stage = stage_of(field, request)
    return stage == "shadow" or (stage == "canary" and not is_trial(request))


def stage_of(field: Field, request: RoutingRequest) -> Stage:
    """Return how far the route has come; a strategy that does not optimise has nothing to prove."""
    return request.gates.stage if request.gates is not None and field.strategy in OPTIMISED else "live"


def probability_within(candidate: Scored, baseline: Scored, tolerance: float) -> float:
    """Return how likely the candidate's expected score is at most *tolerance* below the baseline's."""
    deviation = sqrt(candidate.variance + baseline.variance)
    margin = candidate.score - baseline.score + tolerance
    if deviation <= 0:
        return float(margin >= 0)
    return (1.0 + erf(margin / deviation / sqrt(2.0))) / 2.0


def _beyond_expectation(candidate: Scored, baseline: Scored, gates: OptimizationGates) -> Breach | None:
    if gates.max_regression is not None:
        regression = baseline.score - candidate.score
        if regression > gates.max_regression.value:
            return Breach(gate="max_regression", measured=regression, limit=gates.max_regression.value)
    if gates.max_cost_increase is not None:
        increase = _cost_change(candidate, baseline)
        if increase > gates.max_cost_increase.value:
            return Breach(gate="max_cost_increase", measured=increase, limit=gates.max_cost_increase.value)
    return None


def _unproven(candidate: Scored, baseline: Scored, gates: OptimizationGates) -> Breach | None:
    least = gates.min_samples_before_promotion
    if least is not None and candidate.samples < least:
        return Breach(gate="min_samples_before_promotion", measured=candidate.samples, limit=least)
    if gates.confidence_threshold is not None:
        tolerance = gates.max_regression.value if gates.max_regression is not None else 0.0
        sure = probability_within(candidate, baseline, tolerance)
        if sure < gates.confidence_threshold:
            return Breach(gate="confidence_threshold", measured=sure, limit=gates.confidence_threshold)
    if gates.max_outcome_variance is not None and candidate.variance > gates.max_outcome_variance:
        return Breach(gate="max_outcome_variance", measured=candidate.variance, limit=gates.max_outcome_variance)
    return _suspiciously_cheap(candidate, baseline, gates)


def _suspiciously_cheap(candidate: Scored, baseline: Scored, gates: OptimizationGates) -> Breach | None:
    limit = gates.max_cost_drop_without_validation
    if limit is None or candidate.samples >= (gates.min_samples_before_promotion or VALIDATING_SAMPLES):
        return None
    drop = -_cost_change(candidate, baseline)
    return Breach(gate="max_cost_drop_without_validation", measured=drop, limit=limit) if drop > limit else None


def _cost_change(candidate: Scored, baseline: Scored) -> float:
    """Return the change as a share of the baseline's cost; 0 where either is unknown or the baseline is free."""
    if not baseline.cost_usd or candidate.cost_usd is None:
        return 0.0
    return candidate.cost_usd / baseline.cost_usd - 1.0


def _filtered(model: Model, breach: Breach) -> Filtered:
    return Filtered(
        provider=model.provider,
        model=model.id,
        constraint=breach.gate,
        measured=round(breach.measured, 6),
        limit=breach.limit,
    )
