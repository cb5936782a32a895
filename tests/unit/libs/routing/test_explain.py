"""Confidence follows the published formula and its caps, and the sentence says what the decision says."""

from math import log1p

import msgspec
import pytest

from libs.contracts.events import Candidate, Decision
from libs.routing.explain import explanation, verdicts
from libs.routing.phases import weights_of
from libs.routing.selection import decide
from tests.unit.libs.routing.builders import a_model, a_request, a_snapshot, catalogue, known

MODELS = catalogue(a_model("a"), a_model("b"))


def a_decision(**fields: object) -> Decision:
    values = {
        "strategy": "feedback_driven",
        "task": "chat",
        "phase": "nps",
        "weights": weights_of("nps"),
        "candidates": (
            Candidate(provider="p", model="a", score=0.8, variance=0.01, samples=12.0),
            Candidate(provider="p", model="b", score=0.7),
        ),
        "winner": "a",
        "provider": "p",
        "propensity": 0.9,
        "snapshot_version": 1,
        "seed": 1,
    }
    return Decision(**{**values, **fields})


def test_the_formula() -> None:
    evidence, sure, _ = verdicts(a_decision())[0]
    assert pytest.approx((12.0, 0.1, 0.01)) == (evidence.samples, evidence.top2_gap, evidence.variance)
    expected = 0.45 * 0.5 + 0.35 * log1p(12) / log1p(30) + 0.20 * (1 - 0.01 / 0.25)
    assert pytest.approx(expected, abs=1e-4) == sure


@pytest.mark.parametrize(
    ("fields", "cap", "reason"),
    [
        ({"phase": "day0"}, 0.6, "public benchmarks only"),
        ({"pool_used": True}, 0.8, "shared pool"),
        ({}, 1.0, "effective sessions"),
    ],
)
def test_the_caps(fields: dict[str, object], cap: float, reason: str) -> None:
    sure_thing = Candidate(provider="p", model="a", score=0.9, samples=1000.0)
    decision = a_decision(candidates=(sure_thing, Candidate(provider="p", model="b", score=0.1)), **fields)
    _, sure, why = verdicts(decision)[0]
    assert cap == sure
    assert reason in why


def test_the_runner_up_has_no_gap() -> None:
    assert 0.0 == verdicts(a_decision())[1][0].top2_gap


@pytest.mark.parametrize("requested", [(), ("b",), ("b", "a")])
def test_the_sentence_names_winner_candidates_phase_and_confidence(requested: tuple[str, ...]) -> None:
    snapshot = a_snapshot({"a": known(0.9, session=0.9), "b": known(0.2)})
    decision = decide(a_request(requested=requested), snapshot, MODELS, seed=0)
    sentence = explanation(decision)
    assert sentence == explanation(msgspec.json.decode(msgspec.json.encode(decision), type=Decision))
    for part in (
        decision.winner,
        decision.phase,
        f"{decision.confidence:.2f}",
        f"{len(decision.candidates)} candidate",
    ):
        assert part in sentence


def test_a_session_that_stays_and_a_draw_that_explored_say_so() -> None:
    assert "stays with its model" in explanation(a_decision(pinned=True))
    assert "explored with probability 0.900" in explanation(a_decision(explored=True))
