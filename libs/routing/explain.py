"""Why a model was chosen: the published confidence formula, and one deterministic sentence."""

from math import log1p

from libs.contracts.events import Candidate, Decision, Evidence, Strategy

GAP_OF_FULL_TRUST = 0.20
SAMPLES_OF_FULL_TRUST = 30
VARIANCE_OF_NO_TRUST = 0.25
CAP_DAY0 = 0.6
CAP_POOL = 0.8

_DRAWN = frozenset({"weighted", "round_robin"})
_REASONS: dict[Strategy, str] = {
    "passthrough": "it was named, not routed",
    "fallback": "it is the first of the chain that may serve",
    "weighted": "drawn by the rule's weights with probability {chance:.3f}",
    "round_robin": "its turn, for a share of {chance:.3f} of the sessions",
    "smart_cost": "cheapest of the models near the best score, at score {score:.3f}",
    "latency_based": "fastest of the models near the best score, at score {score:.3f}",
    "feedback_driven": "highest utility {utility:.3f} at score {score:.3f}",
}


def verdicts(decision: Decision) -> tuple[tuple[Evidence, float, str], ...]:
    """
    Return evidence, confidence in [0, 1] and its reason for each candidate, should it win.

    `0.45·clamp(gap/.20) + 0.35·clamp(log1p(n)/log1p(30)) + 0.20·(1 − clamp(variance/.25))`, at most .6 on Day 0 and at most
    .8 where the shared pool was used; the gap is that of its score to the best other candidate's.
    """
    scores = sorted((item.score for item in decision.candidates), reverse=True)
    runner_up = scores[1] if len(scores) > 1 else scores[0]
    return tuple(_verdict(decision, item, max(0.0, item.score - runner_up)) for item in decision.candidates)


def explanation(decision: Decision) -> str:
    """Return one sentence that says what was chosen, among how many, why, and on what evidence."""
    others = len(decision.candidates) - 1
    removed = f"; constraints removed {len(decision.filtered)}" if decision.filtered else ""
    removed += f"; {decision.not_shortlisted} could not win" if decision.not_shortlisted else ""
    return (
        f"{decision.winner} ({decision.provider}) served a {decision.task} request: {_why(decision)}, "
        f"among {others + 1} {'candidates' if others else 'candidate'}{removed}; phase {decision.phase}, "
        f"weights {_weights(decision)}, confidence {decision.confidence:.2f} ({decision.confidence_reason})."
    )


def _verdict(decision: Decision, candidate: Candidate, gap: float) -> tuple[Evidence, float, str]:
    evidence = Evidence(samples=candidate.samples, top2_gap=gap, variance=candidate.variance)
    raw = (
        0.45 * _clamp(evidence.top2_gap / GAP_OF_FULL_TRUST)
        + 0.35 * _clamp(log1p(evidence.samples) / log1p(SAMPLES_OF_FULL_TRUST))
        + 0.20 * (1.0 - _clamp(evidence.variance / VARIANCE_OF_NO_TRUST))
    )
    cap, reason = _cap(decision)
    return evidence, round(min(raw, cap), 4), reason.format(samples=evidence.samples, gap=evidence.top2_gap)


def _why(decision: Decision) -> str:
    winner = next(item for item in decision.candidates if item.model == decision.winner)
    if decision.shadowed is not None:
        return f"the baseline serves while the route is in {decision.stage}, where {decision.shadowed} was chosen"
    if decision.pinned:
        return "the session stays with its model"
    if decision.explored and decision.strategy not in _DRAWN:
        return f"explored with probability {decision.propensity:.3f} at score {winner.score:.3f}"
    return _REASONS[decision.strategy].format(chance=decision.propensity, score=winner.score, utility=winner.utility)


def _weights(decision: Decision) -> str:
    weights = decision.weights
    parts = (
        ("session", weights.session),
        ("auto", weights.auto),
        ("manual", weights.manual),
        ("benchmark", weights.benchmark),
    )
    return " ".join(f"{name} {weight:.2f}" for name, weight in parts if weight > 0)


def _cap(decision: Decision) -> tuple[float, str]:
    if decision.phase == "day0":
        return CAP_DAY0, "public benchmarks only, gap {gap:.3f}"
    if decision.pool_used:
        return CAP_POOL, "{samples:.1f} effective sessions with the shared pool as prior, gap {gap:.3f}"
    return 1.0, "{samples:.1f} effective sessions, gap {gap:.3f}"


def _clamp(value: float) -> float:
    return min(1.0, max(0.0, value))
