"""A decision can be replayed, follows its own probabilities, and stays with a session's model while that is worth it."""

from collections import Counter

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.contracts.events import Decision
from libs.contracts.state import RoutingPolicy, RoutingRule, RuleTarget, TenantPolicy
from libs.routing.candidates import Requirements
from libs.routing.plans import SEED_BITS, SWITCH_MARGIN
from libs.routing.selection import NoCandidateError, decide, fallbacks, seed_of
from tests.unit.libs.routing.builders import a_model, a_request, a_snapshot, catalogue, known

MODELS = catalogue(a_model("a"), a_model("b"), a_model("c"))
SNAPSHOT = a_snapshot({"a": known(0.6, session=0.65), "b": known(0.6, session=0.62), "c": known(0.5, session=0.40)})
seeds = st.integers(0, 2**SEED_BITS - 1)


@given(seed=seeds, pinned=st.sampled_from([None, "a", "b", "gone"]), in_tool_loop=st.booleans())
def test_the_same_inputs_give_the_same_decision_bit_for_bit(
    *, seed: int, pinned: str | None, in_tool_loop: bool
) -> None:
    request = a_request(pinned=pinned, in_tool_loop=in_tool_loop)
    copy = msgspec.msgpack.decode(msgspec.msgpack.encode(SNAPSHOT), type=type(SNAPSHOT))
    first, again = decide(request, SNAPSHOT, MODELS, seed=seed), decide(request, copy, MODELS, seed=seed)
    assert msgspec.json.encode(first) == msgspec.json.encode(again)


@given(seeds)
def test_a_decision_carries_all_that_its_audit_needs(seed: int) -> None:
    decision = decide(a_request(), SNAPSHOT, MODELS, seed=seed)
    assert pytest.approx(1.0) == sum(item.propensity for item in decision.candidates)
    winner = next(item for item in decision.candidates if item.model == decision.winner)
    assert (winner.propensity, winner.provider) == (decision.propensity, decision.provider)
    assert ("nps", 7, seed) == (decision.phase, decision.snapshot_version, decision.seed)
    best = max(decision.candidates, key=lambda item: item.utility)
    assert decision.explored == (decision.winner != best.model)
    assert decision == msgspec.json.decode(msgspec.json.encode(decision), type=Decision)


def test_sessions_are_spread_as_the_probabilities_say() -> None:
    total = 4000
    decisions = [decide(a_request(), SNAPSHOT, MODELS, seed=seed_of("acme", f"s{n}", "chat")) for n in range(total)]
    seen = Counter(decision.winner for decision in decisions)
    for candidate in decisions[0].candidates:
        p = candidate.propensity
        assert pytest.approx(p * total, abs=5 * (p * (1 - p) * total) ** 0.5 + 1) == seen[candidate.model]
    assert len(seen) > 1


def test_seeds_differ_by_tenant_session_and_task_even_where_the_joined_text_does_not() -> None:
    seeds_of = {seed_of("a", "bc", "t"), seed_of("ab", "c", "t"), seed_of("a", "b", "ct"), seed_of("a", "bc", "u")}
    assert 4 == len(seeds_of)
    assert all(0 <= seed < 2**SEED_BITS for seed in seeds_of)


def test_inside_a_tool_loop_the_model_never_changes() -> None:
    decision = decide(a_request(pinned="c", in_tool_loop=True), SNAPSHOT, MODELS, seed=0)
    assert ("c", True, 1.0) == (decision.winner, decision.pinned, decision.propensity)


def test_a_session_leaves_its_model_only_for_a_gain_beyond_the_margin() -> None:
    assert "a" == decide(a_request(pinned="c"), SNAPSHOT, MODELS, seed=0).winner
    near = a_snapshot({"a": known(0.6), "b": known(0.6 - SWITCH_MARGIN / 2), "c": known(0.1)})
    kept = decide(a_request(pinned="b"), near, MODELS, seed=0)
    assert ("b", True) == (kept.winner, kept.pinned)


def test_a_long_cached_prompt_keeps_the_session_with_its_model() -> None:
    models = catalogue(a_model("a", price=10.0, context_tokens=10**6), a_model("b", price=10.0, context_tokens=10**6))
    snapshot = a_snapshot({"a": known(0.9), "b": known(0.8)})
    short = a_request(pinned="b", requirements=Requirements(context_tokens=1_000))
    long = a_request(pinned="b", requirements=Requirements(context_tokens=200_000))
    assert ("a", "b") == tuple(decide(request, snapshot, models, seed=0).winner for request in (short, long))


def test_a_pin_on_a_model_that_may_not_serve_is_drawn_anew() -> None:
    decision = decide(a_request(pinned="a", unavailable=frozenset({"a"})), SNAPSHOT, MODELS, seed=0)
    assert decision.winner in {"b", "c"}
    assert not decision.pinned


def test_a_chain_goes_back_to_its_first_model_outside_a_tool_loop() -> None:
    request = a_request(requested=("b", "a"), pinned="a")
    assert "b" == decide(request, SNAPSHOT, MODELS, seed=0).winner
    assert "a" == decide(msgspec.structs.replace(request, in_tool_loop=True), SNAPSHOT, MODELS, seed=0).winner


def test_fallbacks_keep_a_chain_and_else_go_by_utility() -> None:
    chain = decide(a_request(requested=("b", "c", "a")), SNAPSHOT, MODELS, seed=0)
    assert ["c", "a"] == [item.model for item in fallbacks(chain)]
    routed = decide(a_request(pinned="b", in_tool_loop=True), SNAPSHOT, MODELS, seed=0)
    assert ["a", "c"] == [item.model for item in fallbacks(routed)]


def test_cost_moves_the_choice_as_far_as_the_tenant_wants() -> None:
    models = catalogue(a_model("a", price=30.0), a_model("b", price=0.1))
    snapshot = a_snapshot({"a": known(0.7), "b": known(0.6)})

    def winner(cost_weight: float) -> str:
        policy = TenantPolicy(tenant="acme", routing=RoutingPolicy(cost_weight=cost_weight, exploration_floor=0.0))
        decision = decide(
            a_request(policy=policy, requirements=Requirements(context_tokens=3000)), snapshot, models, seed=0
        )
        return max(decision.candidates, key=lambda item: item.utility).model

    assert ("a", "b") == (winner(0.0), winner(2.0))


def test_a_task_nobody_has_heard_of_uses_the_general_estimates() -> None:
    snapshot = a_snapshot({}, tasks={"*": {"a": known(0.9), "b": known(0.1), "c": known(0.1)}})
    decision = decide(a_request(task="juggling"), snapshot, MODELS, seed=0)
    assert ("a", "juggling") == (max(decision.candidates, key=lambda item: item.score).model, decision.task)


def test_the_baseline_is_the_default_an_operator_set_else_the_choice_of_day_zero() -> None:
    policy = TenantPolicy(tenant="acme", default_model="b")
    assert "b" == decide(a_request(policy=policy), SNAPSHOT, MODELS, seed=0).baseline
    assert "a" == decide(a_request(), SNAPSHOT, MODELS, seed=0).baseline


def test_a_weighted_rule_gives_its_shares_and_keeps_sessions() -> None:
    rule = RoutingRule(
        rule_id="r9",
        name="r",
        strategy="weighted",
        targets=(RuleTarget(model="c", weight=9.0), RuleTarget(model="a", weight=1.0)),
    )
    decision = decide(a_request(rule=rule), SNAPSHOT, MODELS, seed=2 ** (SEED_BITS - 1))
    assert ("c", 0.9, "r9") == (decision.winner, decision.propensity, decision.rule_id)
    assert "a" == decide(a_request(rule=rule, pinned="a"), SNAPSHOT, MODELS, seed=2 ** (SEED_BITS - 1)).winner


def test_no_candidate_is_an_error_with_reasons() -> None:
    with pytest.raises(NoCandidateError, match="context_tokens"):
        decide(a_request(requirements=Requirements(context_tokens=10**9)), SNAPSHOT, MODELS, seed=0)


def test_a_strategys_own_preference_is_no_exploration() -> None:
    models = catalogue(a_model("a", price=9.0), a_model("b", price=0.1))
    snapshot = a_snapshot({"a": known(0.62), "b": known(0.60)})
    free = TenantPolicy(tenant="acme", routing=RoutingPolicy(cost_weight=0.0, exploration_floor=0.0))
    rule = RoutingRule(rule_id="r", name="r", strategy="smart_cost")
    decision = decide(a_request(rule=rule, policy=free), snapshot, models, seed=0)
    assert ("b", False) == (decision.winner, decision.explored)
