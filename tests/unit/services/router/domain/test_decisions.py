"""A decision is shown with exactly the ratings that reach it, and with one sentence for whatever became of it."""

import msgspec
import pytest

from libs.contracts.events import AnswerVerdict, Attempt, FirewallVerdict
from services.router.domain.decisions import explanation, reaching, threat_of, view
from tests.unit.services.router.events import rating, request

THREAT = FirewallVerdict(action="block", score=0.99, category="prompt_injection")
LEAK = AnswerVerdict(action="block", category="secret_leak", kinds={"jwt": 1})


def test_a_session_rating_reaches_every_request_of_the_session_and_no_other():
    ratings = [rating(0.9), rating(0.1, session_id="s2", event_id="g")]
    assert ratings[:1] == list(reaching(request(1), ratings))


def test_a_rating_of_one_request_reaches_that_one():
    judged = rating(0.4, source="auto", request_id="r1", event_id="j")
    assert [judged] == list(reaching(request(1), [judged]))
    assert [] == list(reaching(request(2), [judged]))


def test_the_first_rating_of_a_subject_counts():
    first, second = rating(0.9, at_ms=5), rating(0.1, at_ms=6)
    assert [first] == list(reaching(request(1), [second, first]))


def test_a_requests_own_rating_goes_before_its_sessions():
    own = rating(0.4, request_id="r1", event_id="own", at_ms=9)
    assert [own] == list(reaching(request(1), [rating(0.9), own]))


def test_a_session_that_the_client_never_named_is_reached_by_ratings_of_its_requests_only():
    own = rating(0.4, source="auto", request_id="r1", event_id="own")
    assert [own] == list(reaching(request(1, session_inferred=True), [rating(0.9), own]))


def test_ratings_of_several_sources_are_told_by_time():
    ratings = [rating(0.9, at_ms=9), rating(0.5, at_ms=3, source="manual", event_id="m")]
    trace = view(request(1), ratings).decision_trace
    assert [("manual", 0.5), ("session", 0.9)] == [(r["source"], r["score"]) for r in trace["ratings"]]


def test_the_sentence_names_who_answered_in_the_place_of_the_winner():
    attempts = (
        Attempt(provider="mock", model="small", outcome="error"),
        Attempt(provider="mock", model="large", outcome="ok"),
    )
    told = explanation(request(1, model="large", attempts=attempts))
    assert "large (mock) answered in its place" in told


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"status": "cache_hit", "cache": "exact"}, "exact cache"),
        ({"status": "blocked", "firewall": THREAT}, "prompt_injection"),
        ({"status": "failed", "error_code": "PROVIDER_ERROR"}, "PROVIDER_ERROR"),
        ({"status": "rejected", "error_code": "RATE_LIMIT_EXCEEDED"}, "RATE_LIMIT_EXCEEDED"),
        ({"status": "cancelled"}, "client went away"),
        ({"status": "ok"}, "without a routing decision"),
    ],
    ids=str,
)
def test_a_request_without_a_decision_is_explained_too(fields: dict[str, object], said: str):
    event = request(1, decision=None, **fields)
    assert said in explanation(event)
    assert (None, None) == (view(event, []).confidence, view(event, []).confidence_reason)


@pytest.mark.parametrize(
    ("verdict", "threat"),
    [
        (None, None),
        (FirewallVerdict(action="allow"), None),
        (FirewallVerdict(action="error"), None),
        (FirewallVerdict(action="flag"), "flag"),
        (THREAT, "prompt_injection"),
        (FirewallVerdict(action="allow", answer=LEAK), "secret_leak"),
        (msgspec.structs.replace(THREAT, answer=LEAK), "prompt_injection"),
    ],
    ids=str,
)
def test_a_threat_is_what_the_firewall_marked(verdict: FirewallVerdict | None, threat: str | None):
    assert threat == threat_of(request(1, firewall=verdict))


def test_the_trace_holds_the_whole_decision():
    event = request(1)
    trace = view(event, []).decision_trace
    assert msgspec.to_builtins(event.decision).items() <= trace.items()
    assert {"attempts", "firewall", "cache", "timings", "usage", "ratings"} <= trace.keys()
