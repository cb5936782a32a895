"""A selector answers exactly as `decide` does, and never from a plan of something that was replaced."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from libs.contracts.state import RoutingPolicy, TenantPolicy
from libs.routing.candidates import Requirements
from libs.routing.plans import SEED_BITS
from libs.routing.selection import decide
from libs.routing.selector import Selector
from tests.unit.libs.routing.builders import a_model, a_request, a_snapshot, catalogue, known

MODELS = catalogue(a_model("a", context_tokens=4_000), a_model("b", tools=False), a_model("c", vision=True, price=5.0))
SNAPSHOT = a_snapshot({"a": known(0.6), "b": known(0.61), "c": known(0.6)})
POLICY = TenantPolicy(tenant="acme")
SHARED = Selector(MODELS, capacity=16)


@given(
    request=st.builds(
        a_request,
        policy=st.sampled_from([POLICY, TenantPolicy(tenant="acme", routing=RoutingPolicy(cost_weight=30.0))]),
        task=st.sampled_from(["chat", "other"]),
        requested=st.sampled_from([(), ("a", "c"), ("c",)]),
        pinned=st.sampled_from([None, "a", "b"]),
        unavailable=st.sampled_from([frozenset(), frozenset({"a"})]),
        requirements=st.builds(Requirements, context_tokens=st.sampled_from([0, 3_900, 4_000, 4_001, 4_096])),
        expected_output_tokens=st.integers(0, 5_000),
    ),
    seed=st.integers(0, 2**SEED_BITS - 1),
)
def test_it_gives_the_decision_that_planning_anew_would_give(request: object, seed: int) -> None:
    assert decide(request, SNAPSHOT, MODELS, seed=seed) == SHARED.decide(request, SNAPSHOT, seed=seed)


def test_new_weights_count_at_once() -> None:
    selector = Selector(MODELS)
    selector.decide(a_request(), SNAPSHOT, seed=0)
    newer = msgspec.structs.replace(
        SNAPSHOT, version=8, tasks={"chat": {"a": known(0.1), "b": known(0.9), "c": known(0.1)}}
    )
    assert decide(a_request(), newer, MODELS, seed=0) == selector.decide(a_request(), newer, seed=0)


def test_two_tenants_on_the_same_pool_snapshot_keep_their_own_policies() -> None:
    selector = Selector(MODELS)
    only = {name: TenantPolicy(tenant=name, candidates=(name,)) for name in "ab"}
    requests = [a_request(tenant=name, policy=policy) for name, policy in only.items()]
    assert ["a", "b", "a"] == [selector.decide(requests[n], SNAPSHOT, seed=0).winner for n in (0, 1, 0)]


def test_the_number_of_plans_is_bounded() -> None:
    selector = Selector(MODELS, capacity=3)
    for number in range(10):
        selector.decide(a_request(task=f"t{number}"), SNAPSHOT, seed=0)
    assert 3 == selector.size
