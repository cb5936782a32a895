"""A large catalogue is cut to those that may still win, and a session keeps its model through the cut."""

from libs.contracts.events import Estimate, ModelEstimates
from libs.routing.explain import explanation
from libs.routing.plans import SEED_BITS
from libs.routing.selection import decide
from libs.routing.selector import Selector
from libs.routing.shortlist import MAX_CANDIDATES
from tests.unit.libs.routing.builders import a_model, a_request, a_snapshot, catalogue, known

MODELS = catalogue(*[a_model(f"m{number:02}") for number in range(60)])
ESTIMATES = {name: known(0.3 + number / 200) for number, name in enumerate(MODELS)}
UNPROVEN = ModelEstimates(benchmark=Estimate(mean=0.5, variance=0.09))
SNAPSHOT = a_snapshot({**ESTIMATES, "m00": UNPROVEN})


def test_the_best_stay_and_the_others_are_counted() -> None:
    decision = decide(a_request(), SNAPSHOT, MODELS, seed=0)
    kept = {item.model for item in decision.candidates}
    assert MAX_CANDIDATES == len(kept)
    assert {f"m{number:02}" for number in range(46, 60)} <= kept
    assert len(MODELS) - MAX_CANDIDATES == decision.not_shortlisted
    assert f"{decision.not_shortlisted} could not win" in explanation(decision)


def test_an_unproven_model_stays_while_it_may_be_the_best() -> None:
    assert "m00" in {item.model for item in decide(a_request(), SNAPSHOT, MODELS, seed=0).candidates}


def test_a_session_keeps_a_model_that_the_shortlist_left_out_inside_a_tool_loop() -> None:
    request = a_request(pinned="m01", in_tool_loop=True)
    assert ("m01", True) == ((decision := decide(request, SNAPSHOT, MODELS, seed=0)).winner, decision.pinned)
    selector = Selector(MODELS)
    for asked in (request, a_request(), request):
        assert decide(asked, SNAPSHOT, MODELS, seed=0) == selector.decide(asked, SNAPSHOT, seed=0)


def test_a_rule_that_names_its_models_keeps_them_all() -> None:
    chain = tuple(MODELS)
    decision = decide(a_request(requested=chain), SNAPSHOT, MODELS, seed=2**SEED_BITS - 1)
    assert chain == tuple(item.model for item in decision.candidates)
