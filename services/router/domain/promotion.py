"""When a route moves from shadow to canary to live, and when it has to go back."""

import msgspec

from libs.contracts.events import Stage
from libs.contracts.state import OptimizationGates
from services.router.domain.verification import Verification

LEAST_SHADOWED = 30  # Sessions that are watched in the shadow where the gates name no number.


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """What has to happen to a route and why; *pin* sends a rule back to its default, *stage* is where others go."""

    stage: Stage
    reason: str
    pin: bool = False


def next_step(gates: OptimizationGates, verification: Verification, shadowed_sessions: int) -> Step | None:
    """Return the step that the evidence since the last one asks for, None to stay."""
    if gates.stage == "shadow":
        least = gates.min_samples_before_promotion or LEAST_SHADOWED
        if not gates.require_shadow_before_live or shadowed_sessions < least:
            return None
        return Step(stage="canary", reason=f"{shadowed_sessions} sessions were watched in the shadow")
    if verification.status == "regression_detected":
        return Step(stage="shadow", reason=verification.reason, pin=gates.stage == "live")
    if gates.stage == "canary" and verification.status == "verified":
        return Step(stage="live", reason=verification.reason)
    return None
