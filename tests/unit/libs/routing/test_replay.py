"""A decision is made again, bit for bit, from its JSON record and the weights it names; a changed record is found out."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.contracts.events import Decision, ModelEstimates, WeightsPublished
from libs.contracts.state import POOL, Bound, OptimizationGates, RoutingPolicy, RoutingRule, RuleTarget, TenantPolicy
from libs.routing.candidates import NoCandidateError, Requirements, RoutingRequest
from libs.routing.priors import day0, load_priors
from libs.routing.replay import Past, UnreplayableError, differences, replay, snapshot_ids
from libs.routing.selection import decide, seed_of
from libs.routing.snapshots import effective
from tests.unit.libs.routing.builders import a_model, a_request, a_snapshot, catalogue, known

MODELS = catalogue(
    a_model("gpt-4o", price=2.5),
    a_model("gpt-4o-mini", price=0.15, tools=False),
    a_model("claude-haiku-4-5", price=1.0, context_tokens=4_000),
    a_model("nobody-knows-1", price=None),
)
PRIORS = load_priors()
DAY0 = day0(PRIORS, MODELS.values(), now_ms=5)
PAST = Past(priors=PRIORS, models=MODELS)

estimates = st.builds(
    lambda mean, session: known(mean, session=session) if session else known(mean),
    st.floats(0.05, 0.95),
    st.none() | st.floats(0.05, 0.95),
)
tables = st.dictionaries(st.sampled_from(sorted(MODELS)), estimates)
targets = st.lists(st.sampled_from(sorted(MODELS)), min_size=1, unique=True).map(
    lambda names: tuple(RuleTarget(model=name, weight=1.0 / (1 + len(name))) for name in names)
)
rules = st.none() | st.builds(
    RoutingRule,
    rule_id=st.just("r1"),
    name=st.just("r"),
    strategy=st.sampled_from(
        ["feedback_driven", "smart_cost", "latency_based", "weighted", "round_robin", "fallback", "passthrough"]
    ),
    targets=targets,
    default_model=st.none() | st.sampled_from(sorted(MODELS)),
    pinned=st.booleans(),
)
gates = st.builds(
    OptimizationGates,
    max_regression=st.none() | st.builds(Bound, value=st.floats(0, 0.3)),
    max_cost_increase=st.none() | st.builds(Bound, value=st.floats(0, 3)),
    min_samples_before_promotion=st.none() | st.integers(0, 10),
    canary_share=st.floats(0, 1),
    stage=st.sampled_from(["live", "canary", "shadow"]),
)
requests = st.builds(
    a_request,
    session_id=st.text(max_size=8),
    task=st.sampled_from(["chat", "coding", "juggling"]),
    policy=st.builds(
        TenantPolicy,
        tenant=st.just("acme"),
        candidates=st.sampled_from([(), ("gpt-4o", "gone", "gpt-4o-mini")]),
        default_model=st.none() | st.just("gpt-4o"),
        routing=st.builds(RoutingPolicy, cost_weight=st.floats(0, 50), latency_weight=st.floats(0, 1)),
    ),
    requirements=st.builds(Requirements, context_tokens=st.integers(0, 200_000), tools=st.booleans()),
    requested=st.sampled_from([(), ("gpt-4o",), ("gpt-4o-mini", "gpt-4o"), ("gpt-4o", "gpt-4o")]),
    rule=rules,
    pinned=st.none() | st.sampled_from(sorted(MODELS)),
    task_by=st.sampled_from(["", "client", "shapes-1"]),
    in_tool_loop=st.booleans(),
    unavailable=st.frozensets(st.sampled_from(sorted(MODELS)), max_size=2),
    expected_output_tokens=st.integers(0, 2_000),
    gates=st.none() | gates,
)
owned = st.none() | tables.map(lambda chat: a_snapshot(chat, event_id="own", tasks={"chat": chat, "*": chat}))
pooled = st.none() | tables.map(lambda chat: a_snapshot(chat, event_id="pool", scope=POOL, version=3))


def recorded(decision: Decision) -> Decision:
    return msgspec.json.decode(msgspec.json.encode(decision), type=Decision)


@settings(deadline=None)
@given(request=requests, own=owned, pool=pooled)
def test_a_record_and_the_weights_it_names_give_the_same_decision(
    request: RoutingRequest, own: WeightsPublished | None, pool: WeightsPublished | None
) -> None:
    seed = seed_of(request.tenant, request.session_id, request.task)
    try:
        logged = recorded(decide(request, effective(own, pool, DAY0), MODELS, seed=seed))
    except NoCandidateError:
        return
    log = {event.event_id: event for event in (own, pool) if event is not None}
    assert set(snapshot_ids(logged)) <= set(log)
    again = replay(logged, request.tenant, request.session_id, log, PAST)
    assert () == differences(logged, again)
    assert msgspec.json.encode(logged) == msgspec.json.encode(again)


@pytest.mark.parametrize(
    ("changed", "fields"),
    [
        ({"winner": "gpt-4o-mini"}, {"winner"}),
        ({"propensity": 0.123}, {"propensity"}),
        ({"seed": 1}, {"seed"}),
        ({"snapshot_version": 6}, {"snapshot_version"}),
    ],
    ids=str,
)
def test_a_record_that_was_changed_is_found_out(changed: dict[str, object], fields: set[str]) -> None:
    own = a_snapshot({"gpt-4o": known(0.9), "gpt-4o-mini": known(0.2)}, event_id="own")
    request = a_request()
    logged = decide(request, effective(own, None, DAY0), MODELS, seed=seed_of("acme", "s1", "chat"))
    assert "gpt-4o" == logged.winner
    forged = msgspec.structs.replace(logged, **changed)
    again = replay(forged, "acme", "s1", {"own": own}, PAST)
    assert fields == {item.field for item in differences(forged, again)}


def test_other_weights_than_those_of_then_are_found_out() -> None:
    own = a_snapshot({"gpt-4o": known(0.9)}, event_id="own")
    logged = decide(a_request(), effective(own, None, DAY0), MODELS, seed=0)
    forged: dict[str, dict[str, ModelEstimates]] = {"chat": {"gpt-4o": known(0.1)}}
    again = replay(logged, "acme", "s1", {"own": msgspec.structs.replace(own, tasks=forged)}, PAST)
    assert "candidates" in {item.field for item in differences(logged, again)}


def test_what_is_missing_is_said() -> None:
    own = a_snapshot({"gpt-4o": known(0.9)}, event_id="own")
    logged = decide(a_request(), effective(own, None, DAY0), MODELS, seed=0)
    with pytest.raises(UnreplayableError, match="own"):
        replay(logged, "acme", "s1", {}, PAST)
    with pytest.raises(UnreplayableError, match="inputs"):
        replay(msgspec.structs.replace(logged, inputs=None), "acme", "s1", {}, PAST)


def test_benchmarks_that_are_not_those_of_then_are_not_taken_for_them() -> None:
    other = msgspec.structs.replace(PRIORS, price_slope=0.0)
    seed = seed_of("acme", "s1", "chat")
    logged = decide(a_request(), day0(other, MODELS.values(), now_ms=5), MODELS, seed=seed)
    assert () == snapshot_ids(logged)
    with pytest.raises(UnreplayableError, match="not those at hand, day0"):
        replay(logged, "acme", "s1", {}, PAST)
    assert () == differences(logged, replay(logged, "acme", "s1", {}, Past(priors=other, models=MODELS)))
