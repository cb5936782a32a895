"""Gates keep a model from replacing the baseline, say by how much it fails, and let a sticky share of sessions find out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.contracts.events import Decision, SourceScores
from libs.contracts.state import (
    ANY_ROUTE,
    Bound,
    OptimizationGates,
    RoutingPolicy,
    RoutingRule,
    RuleTarget,
    TenantPolicy,
)
from libs.routing.constraints import breach_of, gates_for, is_trial, probability_within
from libs.routing.plans import SEED_BITS
from libs.routing.scoring import Scored
from libs.routing.selection import decide, seed_of
from libs.routing.selector import Selector
from tests.unit.libs.routing.builders import a_model, a_request, a_snapshot, catalogue, known

MODELS = catalogue(
    a_model("base", price=1.0), a_model("better", price=1.0), a_model("dear", price=9.0), a_model("worse")
)
SNAPSHOT = a_snapshot({"base": known(0.6), "better": known(0.7), "dear": known(0.65), "worse": known(0.3)})
POLICY = TenantPolicy(tenant="acme", default_model="base", routing=RoutingPolicy(cost_weight=0.0))


def outcome(
    score: float = 0.6, *, variance: float = 0.001, samples: float = 50.0, cost_usd: float | None = 1.0
) -> Scored:
    return Scored(
        scores=SourceScores(),
        score=score,
        utility=score,
        variance=variance,
        samples=samples,
        latency_ms=None,
        cost_usd=cost_usd,
    )


def decided(gates: OptimizationGates | None, session_id: str = "s1", **fields: object) -> Decision:
    seed = seed_of("acme", session_id, "chat")
    request = a_request(policy=POLICY, gates=gates, session_id=session_id, **fields)
    return decide(request, SNAPSHOT, MODELS, seed=seed)


@pytest.mark.parametrize(
    ("gates", "candidate", "breach"),
    [
        ({"max_regression": Bound(value=0.05)}, outcome(0.5), ("max_regression", 0.1, 0.05)),
        ({"max_regression": Bound(value=0.05)}, outcome(0.56), None),
        ({"max_cost_increase": Bound(value=0.5)}, outcome(cost_usd=2.0), ("max_cost_increase", 1.0, 0.5)),
        ({"max_cost_increase": Bound(value=0.5)}, outcome(cost_usd=1.5), None),
        ({"max_cost_increase": Bound(value=0.5)}, outcome(cost_usd=None), None),
        ({"min_samples_before_promotion": 51}, outcome(), ("min_samples_before_promotion", 50.0, 51)),
        ({"confidence_threshold": 0.9}, outcome(), ("confidence_threshold", 0.5, 0.9)),
        ({"confidence_threshold": 0.9}, outcome(0.7), None),
        ({"max_outcome_variance": 0.0005}, outcome(), ("max_outcome_variance", 0.001, 0.0005)),
        (
            {"max_cost_drop_without_validation": 0.5},
            outcome(cost_usd=0.1, samples=3.0),
            ("max_cost_drop_without_validation", 0.9, 0.5),
        ),
        ({"max_cost_drop_without_validation": 0.5}, outcome(cost_usd=0.1), None),
        ({}, outcome(0.0, cost_usd=99.0, samples=0.0), None),
    ],
)
def test_each_gate_measures_what_it_bounds(
    gates: dict[str, object], candidate: Scored, breach: tuple[str, float, float] | None
) -> None:
    found = breach_of(candidate, outcome(), OptimizationGates(**gates), trial=False)
    assert (found is None) == (breach is None)
    if found is not None and breach is not None:
        assert (breach[0], pytest.approx(breach[1]), breach[2]) == (found.gate, found.measured, found.limit)


def test_a_rules_own_gates_go_before_those_of_every_route() -> None:
    own, general = OptimizationGates(confidence_threshold=0.9), OptimizationGates()
    rule = RoutingRule(rule_id="r", name="r")
    assert own is gates_for(rule, {"r": own, ANY_ROUTE: general})
    assert general is gates_for(rule, {ANY_ROUTE: general})
    assert general is gates_for(None, {"r": own, ANY_ROUTE: general})
    assert gates_for(None, {"r": own}) is None


def test_trial_sessions_gather_the_evidence_that_others_wait_for_but_not_at_any_price() -> None:
    gates = OptimizationGates(min_samples_before_promotion=100, max_cost_increase=Bound(value=0.5))
    assert breach_of(outcome(samples=0.0), outcome(), gates, trial=True) is None
    assert breach_of(outcome(cost_usd=9.0), outcome(), gates, trial=True) is not None


@given(gap=st.floats(-1, 1), variance=st.floats(0, 0.1), tolerance=st.floats(0, 0.2))
def test_the_probability_of_staying_within_the_tolerance_grows_with_it(
    gap: float, variance: float, tolerance: float
) -> None:
    one, other = outcome(0.5 + gap / 2, variance=variance), outcome(0.5 - gap / 2, variance=variance)
    assert 0.0 <= probability_within(one, other, 0.0) <= probability_within(one, other, tolerance) <= 1.0


def test_a_decision_names_the_gate_that_removed_a_model_and_keeps_the_baseline() -> None:
    gates = OptimizationGates(max_regression=Bound(value=0.01), max_cost_increase=Bound(value=0.2))
    decision = decided(gates)
    assert ["base", "better"] == [item.model for item in decision.candidates]
    assert {"dear": "max_cost_increase", "worse": "max_regression"} == {
        item.model: item.constraint for item in decision.filtered
    }
    assert all(item.measured is not None and item.limit is not None for item in decision.filtered)


def test_nothing_is_left_but_the_baseline_where_nobody_has_proven_anything() -> None:
    decision = decided(OptimizationGates(min_samples_before_promotion=10_000, canary_share=0.0))
    assert ["base"] == [item.model for item in decision.candidates]
    assert "base" == decision.winner


def test_in_shadow_the_baseline_serves_and_the_choice_is_told() -> None:
    live = decided(OptimizationGates())
    shadow = decided(OptimizationGates(stage="shadow", require_shadow_before_live=True))
    assert ("base", live.winner, "shadow", 1.0) == (shadow.winner, shadow.shadowed, shadow.stage, shadow.propensity)
    assert "base" != live.winner
    assert not shadow.explored


def test_in_canary_a_sticky_share_of_the_sessions_is_served_by_choice() -> None:
    gates = OptimizationGates(stage="canary", canary_share=0.2)
    decisions = {f"s{n}": decided(gates, f"s{n}") for n in range(1000)}
    served = {name for name, decision in decisions.items() if decision.shadowed is None}
    assert pytest.approx(200, abs=60) == len(served)
    assert {"base"} == {decision.winner for name, decision in decisions.items() if name not in served}
    wider = OptimizationGates(stage="canary", canary_share=0.5)
    assert served <= {name for name in decisions if is_trial(a_request(gates=wider, session_id=name))}


def test_a_session_inside_a_tool_loop_goes_on_with_its_model_when_its_route_falls_back_to_shadow() -> None:
    decision = decided(OptimizationGates(stage="shadow"), pinned="better", in_tool_loop=True)
    assert ("better", None, True) == (decision.winner, decision.shadowed, decision.pinned)


def test_what_an_operator_or_client_names_is_not_gated() -> None:
    gates = OptimizationGates(stage="shadow", max_regression=Bound(value=0.0))
    assert "worse" == decided(gates, requested=("worse",)).winner
    rule = RoutingRule(rule_id="r", name="r", strategy="weighted", targets=(RuleTarget(model="worse"),))
    decision = decided(gates, rule=rule)
    assert ("worse", "live", None) == (decision.winner, decision.stage, decision.shadowed)


@given(
    gates=st.sampled_from(
        [OptimizationGates(stage="canary", canary_share=0.5), OptimizationGates(stage="shadow"), None]
    ),
    session_id=st.sampled_from([f"s{n}" for n in range(12)]),
    seed=st.integers(0, 2**SEED_BITS - 1),
)
def test_a_selector_keeps_trial_sessions_apart_from_the_others(
    gates: OptimizationGates | None, session_id: str, seed: int
) -> None:
    request = a_request(policy=POLICY, gates=gates, session_id=session_id)
    for _ in range(2):
        assert decide(request, SNAPSHOT, MODELS, seed=seed) == SHARED.decide(request, SNAPSHOT, seed=seed)


SHARED = Selector(MODELS, capacity=8)
