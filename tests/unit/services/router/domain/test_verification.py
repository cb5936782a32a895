"""Verification sees an effect where there is one, none where the mix of tasks merely differs, and nothing in few sessions."""

from math import sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.contracts.state import Bound, OptimizationGates
from services.router.domain.verification import Arm, verify

GATES = OptimizationGates(max_regression=Bound(value=0.03), max_cost_increase=Bound(value=0.25))


def arm(task: str, sessions: int, score: float, *, routed: bool, spread: float = 0.1, cost: float = 100.0) -> Arm:
    """Sums over sessions with that mean score and cost; *spread* is their standard deviation."""
    return Arm(
        task=task,
        routed=routed,
        sessions=sessions,
        score=sessions * score,
        score_squared=sessions * (score**2 + spread**2),
        cost_micro_usd=sessions * cost,
        cost_squared=sessions * (cost**2 + (cost * spread) ** 2),
    )


def both(baseline: float, routed: float, sessions: int = 200, **fields: float) -> list[Arm]:
    return [arm("chat", sessions, baseline, routed=False), arm("chat", sessions, routed, routed=True, **fields)]


@pytest.mark.parametrize(
    ("arms", "status"),
    [
        (both(0.7, 0.75), "verified"),
        (both(0.7, 0.7), "verified"),
        (both(0.7, 0.6), "regression_detected"),
        (both(0.7, 0.68, sessions=20), "not_verified"),
        (both(0.7, 0.8, cost=200.0), "regression_detected"),
        (both(0.7, 0.8, cost=50.0), "verified"),
        (both(0.7, 0.1, sessions=9), "insufficient_data"),
        ([], "insufficient_data"),
        ([arm("chat", 99, 0.7, routed=False), arm("code", 99, 0.1, routed=True)], "insufficient_data"),
    ],
)
def test_status(arms: list[Arm], status: str) -> None:
    assert status == verify(arms, GATES).status


def test_a_harder_mix_of_tasks_is_no_regression() -> None:
    arms = [
        arm("easy", 900, 0.9, routed=False),
        arm("easy", 100, 0.9, routed=True),
        arm("hard", 100, 0.3, routed=False),
        arm("hard", 900, 0.3, routed=True),
    ]
    found = verify(arms, GATES)
    assert ("verified", 1000, 1000) == (found.status, found.baseline.sessions, found.routed.sessions)
    assert pytest.approx(0.36) == found.baseline.score == pytest.approx(found.routed.score)


def test_gates_may_ask_for_more_evidence_than_usual() -> None:
    patient = OptimizationGates(min_samples_before_promotion=500)
    assert "insufficient_data" == verify(both(0.7, 0.75), patient).status


def test_free_models_have_no_change_of_cost() -> None:
    assert verify(both(0.7, 0.7, cost=0.0), GATES).cost_change is None


@given(
    baseline=st.floats(0.2, 0.8),
    effect=st.floats(-0.2, 0.2),
    sessions=st.integers(10, 5_000),
    spread=st.floats(0.05, 0.2),
)
def test_the_interval_holds_the_effect_and_narrows_with_evidence(
    baseline: float, effect: float, sessions: int, spread: float
) -> None:
    def width(sessions: int) -> float:
        sides = [
            arm("chat", sessions, baseline, routed=False, spread=spread),
            arm("chat", sessions, baseline + effect, routed=True, spread=spread),
        ]
        delta = verify(sides, GATES).delta
        assert delta is not None
        assert pytest.approx(effect, abs=1e-9) == delta.value
        assert delta.low < delta.value < delta.high
        return delta.high - delta.low

    classical = 2 * 1.96 * spread * sqrt(2 / sessions)
    assert classical <= width(sessions) + 1e-9
    assert width(4 * sessions) <= width(sessions) / 2 + 1e-9
    assert pytest.approx(2 * 1.96 * spread * sqrt(2 / 1e6), rel=0.01) == width(1_000_000)
