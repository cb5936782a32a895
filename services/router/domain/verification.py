"""Did routing help? Rated sessions that it led elsewhere against those that the baseline served, with intervals."""

from collections.abc import Sequence
from math import exp, inf, log, sqrt
from typing import Any, Literal, TypeAlias

import msgspec

from libs.contracts.state import OptimizationGates
from libs.routing.offpolicy import Interval

LEAST_SESSIONS = 10  # Rated sessions of each side below which nothing is said, unless gates ask for more.
TOLERANCE = 0.02  # Score points that count as no loss where no gate says: what exploring may cost.
NOISE = (
    0.08  # Variance of one session's rating as first assumed; one pseudo-session keeps few ratings from looking sure.
)
Z95 = 1.96

Status: TypeAlias = Literal["verified", "not_verified", "insufficient_data", "regression_detected"]


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """Which traffic of a tenant: one rule's, or with *rule_id* None all but that of the rules in *but*."""

    tenant: str
    rule_id: str | None = None
    but: tuple[str, ...] = ()


class Arm(msgspec.Struct, frozen=True, kw_only=True):
    """Sums over rated sessions of one task that routing led away from the baseline at least once (*routed*), or never."""

    task: str
    routed: bool
    sessions: int
    score: float
    score_squared: float
    cost_micro_usd: float
    cost_squared: float


class Side(msgspec.Struct, frozen=True, kw_only=True):
    """Mean outcome of one side over the routed side's mix of tasks; *cost_micro_usd* is per session."""

    sessions: int
    score: float
    cost_micro_usd: float


class Verification(msgspec.Struct, frozen=True, kw_only=True):
    """
    What the outcomes say; *delta* is routed minus baseline in score points, *cost_change* a share of the baseline's cost.

    Sides and differences are None where there is too little to compare.
    """

    status: Status
    reason: str
    baseline: Side | None = None
    routed: Side | None = None
    delta: Interval | None = None
    cost_change: Interval | None = None


class _Pair(msgspec.Struct, frozen=True, kw_only=True):
    baseline: Arm
    routed: Arm
    share: float = 0.0


def verify(arms: Sequence[Arm], gates: OptimizationGates) -> Verification:
    """Compare task by task, weighted by what was routed, so that a different mix of tasks is not taken for an effect."""
    pairs = _pairs(arms)
    baseline, routed = (_side(pairs, name) for name in ("baseline", "routed"))
    least = max(LEAST_SESSIONS, gates.min_samples_before_promotion or 0)
    if min(baseline.sessions, routed.sessions) < least:
        found = f"{baseline.sessions} baseline and {routed.sessions} routed rated sessions on the same tasks"
        return Verification(status="insufficient_data", reason=f"{found}; {least} of each are needed")
    delta = _delta(pairs)
    change = _cost_change(pairs, baseline, routed)
    status, reason = _judged(delta, change, gates)
    return Verification(status=status, reason=reason, baseline=baseline, routed=routed, delta=delta, cost_change=change)


def view(route_id: str, window: str, verification: Verification) -> dict[str, Any]:
    """Return the verification on the wire."""
    return {"route_id": route_id, "window": window, **msgspec.to_builtins(verification)}


def _judged(delta: Interval, change: Interval | None, gates: OptimizationGates) -> tuple[Status, str]:
    tolerance = gates.max_regression.value if gates.max_regression is not None else TOLERANCE
    dearest = gates.max_cost_increase.value if gates.max_cost_increase is not None else inf
    if delta.high < -tolerance:
        return (
            "regression_detected",
            f"the score fell by {-delta.value:.3f}, more than {tolerance:g} at 95 % confidence",
        )
    if change is not None and change.low > dearest:
        return "regression_detected", f"the cost rose by {change.value:.0%}, more than {dearest:.0%} at 95 % confidence"
    if delta.low < -tolerance:
        return "not_verified", f"the score may have fallen by {-delta.low:.3f}; {tolerance:g} is allowed"
    if change is not None and change.high > dearest:
        return "not_verified", f"the cost may have risen by {change.high:.0%}; {dearest:.0%} is allowed"
    return "verified", f"the score changed by {delta.value:+.3f}, at worst {delta.low:+.3f} at 95 % confidence"


def _pairs(arms: Sequence[Arm]) -> list[_Pair]:
    sides = {(arm.task, arm.routed): arm for arm in arms if arm.sessions}
    tasks = sorted({task for task, _ in sides if (task, True) in sides and (task, False) in sides})
    routed = sum(sides[task, True].sessions for task in tasks)
    return [
        _Pair(baseline=sides[task, False], routed=sides[task, True], share=sides[task, True].sessions / routed)
        for task in tasks
    ]


def _side(pairs: Sequence[_Pair], name: Literal["baseline", "routed"]) -> Side:
    arms = [(pair.share, getattr(pair, name)) for pair in pairs]
    return Side(
        sessions=sum(arm.sessions for _, arm in arms),
        score=sum(share * arm.score / arm.sessions for share, arm in arms),
        cost_micro_usd=sum(share * arm.cost_micro_usd / arm.sessions for share, arm in arms),
    )


def _delta(pairs: Sequence[_Pair]) -> Interval:
    value = sum(
        pair.share * (pair.routed.score / pair.routed.sessions - pair.baseline.score / pair.baseline.sessions)
        for pair in pairs
    )
    variance = sum(pair.share**2 * (_score_variance(pair.routed) + _score_variance(pair.baseline)) for pair in pairs)
    return Interval(value=value, low=value - Z95 * sqrt(variance), high=value + Z95 * sqrt(variance))


def _cost_change(pairs: Sequence[_Pair], baseline: Side, routed: Side) -> Interval | None:
    """Return the relative change; its interval is symmetric on the logarithm of the ratio. None where one side is free."""
    if baseline.cost_micro_usd <= 0 or routed.cost_micro_usd <= 0:
        return None
    ratio = log(routed.cost_micro_usd / baseline.cost_micro_usd)
    variances = [
        sum(pair.share**2 * _cost_variance(getattr(pair, name)) for pair in pairs) / side.cost_micro_usd**2
        for name, side in (("baseline", baseline), ("routed", routed))
    ]
    width = Z95 * sqrt(sum(variances))
    return Interval(value=exp(ratio) - 1, low=exp(ratio - width) - 1, high=exp(min(ratio + width, 700.0)) - 1)


def _score_variance(arm: Arm) -> float:
    """Return the variance of the mean score."""
    spread = max(0.0, arm.score_squared - arm.score**2 / arm.sessions)
    return (spread + NOISE) / arm.sessions / arm.sessions


def _cost_variance(arm: Arm) -> float:
    spread = max(0.0, arm.cost_squared - arm.cost_micro_usd**2 / arm.sessions)
    return spread / max(1, arm.sessions - 1) / arm.sessions
