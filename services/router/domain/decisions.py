"""Decisions as clients see them: the SDK's keys, the whole trace, the ratings that reached it and one sentence."""

from collections.abc import Iterable, Sequence
from functools import reduce
from typing import Any

import msgspec

from libs.contracts.events import FeedbackReceived, RequestCompleted
from libs.routing.credit import Hop, Rating, SessionRecord, score_of, with_rating
from libs.routing.explain import explanation as explain_decision
from libs.routing.statistics import SOURCES
from services.router.domain.queries import rfc3339

THREATS = frozenset({"flag", "block"})
_UNDECIDED = {
    "ok": "The request was served without a routing decision.",
    "cache_hit": "The answer came from the {cache} cache, so no model was chosen.",
    "blocked": "The firewall blocked the request ({threat}), so no model was chosen.",
    "failed": "The request failed ({error}) before a model was chosen.",
    "cancelled": "The client went away before a model was chosen.",
    "rejected": "The request was rejected ({error}), so no model was chosen.",
}


class DecisionView(msgspec.Struct, frozen=True, kw_only=True):
    """One decision on the wire; `decision_trace` is the whole story, the rest its summary."""

    request_id: str
    session_id: str | None
    request_created_at: str
    provider: str | None
    model: str | None
    status: str
    latency_ms: int | None
    cost_micro_usd: int | None
    cache_enabled: bool
    threat: str | None
    decision_trace: dict[str, Any]
    confidence: float | None
    confidence_reason: str | None
    explanation: str


class RatingView(msgspec.Struct, frozen=True, kw_only=True):
    """A rating that reached a decision; *score* in [0, 1] is what was copied to it."""

    source: str
    score: float
    scope: str
    received_at: str
    nps: int | None
    useful: bool | None
    rater: str | None


def view(event: RequestCompleted, ratings: Iterable[FeedbackReceived]) -> DecisionView:
    """Return *event* with those of *ratings* that are about it or about its whole session."""
    decision = event.decision
    return DecisionView(
        request_id=event.request_id,
        session_id=event.session_id,
        request_created_at=rfc3339(event.created_at_ms),
        provider=event.provider,
        model=event.model,
        status=event.status,
        latency_ms=event.latency_ms,
        cost_micro_usd=event.cost_micro_usd,
        cache_enabled=event.cache != "off",
        threat=threat_of(event),
        decision_trace=_trace(event, reaching(event, ratings)),
        confidence=None if decision is None else decision.confidence,
        confidence_reason=None if decision is None else decision.confidence_reason,
        explanation=explanation(event),
    )


def threat_of(event: RequestCompleted) -> str | None:
    """Return the category of what the firewall found in the request, else in the answer; None where both pass unmarked."""
    verdict = event.firewall
    if verdict is None:
        return None
    if verdict.action in THREATS:
        return verdict.category or verdict.action
    return None if verdict.answer is None else verdict.answer.category


def reaching(event: RequestCompleted, ratings: Iterable[FeedbackReceived]) -> Sequence[FeedbackReceived]:
    """
    Return the ratings that reach this request, by time of arrival: at most one of each source, as learning has it.

    The request's own rating goes before its session's, and the first of a subject before later ones.
    """
    mine = [rating for rating in ratings if (rating.tenant, rating.session_id) == (event.tenant, event.session_id)]
    record = reduce(with_rating, map(_counted, mine), SessionRecord())
    hop = Hop(request_id=event.request_id, task="", model="", day=0, counted=True, inferred=event.session_inferred)
    reached = {score_of(record, hop, source) for source in SOURCES}
    first = sorted((rating for rating in mine if _counted(rating) in reached), key=lambda rating: rating.received_at_ms)
    return list({rating.source: rating for rating in first}.values())


def explanation(event: RequestCompleted) -> str:
    """Return one deterministic sentence on why the request was served as it was."""
    decision = event.decision
    if decision is None:
        return _UNDECIDED[event.status].format(
            cache=event.cache, threat=threat_of(event) or "no category", error=event.error_code or "no code"
        )
    sentence = explain_decision(decision)
    if event.status == "ok" and event.model is not None and event.model != decision.winner:
        return (
            f"{sentence} {event.model} ({event.provider}) answered in its place after {len(event.attempts) - 1} failed."
        )
    return sentence


def _trace(event: RequestCompleted, ratings: Sequence[FeedbackReceived]) -> dict[str, Any]:
    return {
        **(msgspec.to_builtins(event.decision) if event.decision is not None else {}),
        "requested_model": event.requested_model,
        "completion_id": event.completion_id,
        "session_inferred": event.session_inferred,
        "attempts": msgspec.to_builtins(event.attempts),
        "firewall": msgspec.to_builtins(event.firewall),
        "cache": event.cache,
        "usage": msgspec.to_builtins(event.usage),
        "usage_estimated": event.usage_estimated,
        "timings": msgspec.to_builtins(event.timings),
        "http_status": event.http_status,
        "error_code": event.error_code,
        "ratings": [msgspec.to_builtins(_rating(rating)) for rating in ratings],
    }


def _counted(rating: FeedbackReceived) -> Rating:
    return Rating(
        event_id=rating.event_id,
        source=rating.source,
        score=rating.score,
        request_id=rating.request_id,
        received_at_ms=rating.received_at_ms,
    )


def _rating(rating: FeedbackReceived) -> RatingView:
    return RatingView(
        source=rating.source,
        score=rating.score,
        scope="session" if rating.request_id is None else "request",
        received_at=rfc3339(rating.received_at_ms),
        nps=rating.nps,
        useful=rating.useful,
        rater=rating.rater,
    )
