"""A route moves on by evidence only, and goes back when outcomes say so."""

import pytest

from libs.contracts.state import OptimizationGates
from services.router.domain.promotion import LEAST_SHADOWED, Step, next_step
from services.router.domain.verification import Status, Verification


@pytest.mark.parametrize(
    ("stage", "status", "shadowed", "step"),
    [
        ("shadow", "insufficient_data", LEAST_SHADOWED - 1, None),
        ("shadow", "insufficient_data", LEAST_SHADOWED, ("canary", False)),
        ("canary", "insufficient_data", 0, None),
        ("canary", "not_verified", 0, None),
        ("canary", "verified", 0, ("live", False)),
        ("canary", "regression_detected", 0, ("shadow", False)),
        ("live", "regression_detected", 0, ("shadow", True)),
        ("live", "verified", 0, None),
    ],
)
def test_steps(stage: str, status: Status, shadowed: int, step: tuple[str, bool] | None) -> None:
    gates = OptimizationGates(stage=stage, require_shadow_before_live=True)
    found = next_step(gates, Verification(status=status, reason="because"), shadowed)
    assert step == (None if found is None else (found.stage, found.pin))


def test_a_route_that_need_not_pass_the_shadow_is_not_promoted_out_of_it_by_waiting() -> None:
    fallen = OptimizationGates(stage="shadow")
    assert next_step(fallen, Verification(status="verified", reason=""), 10**6) is None


def test_a_step_says_why() -> None:
    regressed = Verification(status="regression_detected", reason="the score fell")
    assert Step(stage="shadow", reason="the score fell", pin=True) == next_step(OptimizationGates(), regressed, 0)
