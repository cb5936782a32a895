"""Events that tests of the decision log start from."""

import msgspec

from libs.contracts.events import (
    Attempt,
    Candidate,
    Decision,
    FeedbackReceived,
    FirewallVerdict,
    RequestCompleted,
    SourceWeights,
)

DECISION = Decision(
    strategy="feedback_driven",
    task="coding",
    phase="nps",
    weights=SourceWeights(session=0.5, auto=0.3, manual=0.1, benchmark=0.1),
    candidates=(
        Candidate(provider="mock", model="small", score=0.7, utility=0.7, propensity=0.8),
        Candidate(provider="mock", model="large", score=0.6, utility=0.5, propensity=0.2),
    ),
    winner="small",
    provider="mock",
    propensity=0.8,
    snapshot_version=7,
    seed=11,
    confidence=0.5,
    confidence_reason="because",
)
REQUEST = RequestCompleted(
    event_id="r1",
    request_id="r1",
    tenant="acme",
    key_id="ci",
    session_id="s1",
    session_inferred=False,
    created_at_ms=1_767_225_600_000,
    status="ok",
    http_status=200,
    requested_model="auto",
    provider="mock",
    model="small",
    decision=DECISION,
    attempts=(Attempt(provider="mock", model="small", outcome="ok"),),
    cost_micro_usd=42,
    cache="miss",
    firewall=FirewallVerdict(action="allow"),
    latency_ms=5,
)


def request(number: int, **fields: object) -> RequestCompleted:
    """Return request `r<number>`, made *number* milliseconds after the first."""
    fields = {"created_at_ms": REQUEST.created_at_ms + number, **fields}
    return msgspec.structs.replace(REQUEST, event_id=f"r{number}", request_id=f"r{number}", **fields)


def rating(score: float, *, at_ms: int = 1, **fields: object) -> FeedbackReceived:
    """Return a rating of session s1 by its user."""
    base = FeedbackReceived(
        event_id="f", tenant="acme", session_id="s1", source="session", score=score, received_at_ms=at_ms
    )
    return msgspec.structs.replace(base, **fields)
