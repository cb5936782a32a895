"""Events for the aggregator's tests: builders with defaults, and hypothesis strategies of whole logs."""

from typing import Any

from hypothesis import strategies as st

from libs.contracts.events import Attempt, Decision, FeedbackReceived, RequestCompleted, SourceWeights, Usage
from libs.contracts.topics import DAY_MS

NOW_MS = 20_000 * DAY_MS


def decision(task: str = "chat", model: str = "m1") -> Decision:
    return Decision(
        strategy="feedback_driven",
        task=task,
        phase="day0",
        weights=SourceWeights(benchmark=1.0),
        candidates=(),
        winner=model,
        provider="p",
        propensity=1.0,
        snapshot_version=0,
        seed=1,
    )


def request(request_id: str = "r1", **fields: Any) -> RequestCompleted:
    task, model = fields.pop("task", "chat"), fields.pop("model", "m1")
    given: dict[str, Any] = {
        "tenant": "acme",
        "session_id": "s1",
        "session_inferred": False,
        "created_at_ms": NOW_MS,
        "status": "ok",
        "cache": "miss",
        "usage": Usage(fresh_input=10, output=5),
        "cost_micro_usd": 100,
        "latency_ms": 20,
        "decision": decision(task, model),
    }
    return RequestCompleted(
        event_id=request_id,
        request_id=request_id,
        key_id="k",
        http_status=200,
        requested_model="auto",
        model=model,
        provider="p",
        **(given | fields),
    )


def feedback(event_id: str = "f1", **fields: Any) -> FeedbackReceived:
    given: dict[str, Any] = {
        "tenant": "acme",
        "session_id": "s1",
        "source": "session",
        "score": 0.9,
        "received_at_ms": NOW_MS,
    }
    return FeedbackReceived(event_id=event_id, **(given | fields))


def failed(model: str) -> Attempt:
    return Attempt(provider="p", model=model, outcome="error", http_status=503)


tenants = st.sampled_from(["acme", "beta"])
session_ids = st.sampled_from(["s1", "s2"])
models = st.sampled_from(["m1", "m2:free", "org/m3"])
request_ids = st.integers(0, 9).map("r{}".format)


@st.composite
def requests(draw: st.DrawFn) -> RequestCompleted:
    request_id, tenant, session_id = draw(request_ids), draw(tenants), draw(session_ids)
    return request(
        f"{tenant}-{session_id}-{request_id}",
        tenant=tenant,
        session_id=session_id,
        model=draw(models),
        task=draw(st.sampled_from(["chat", "coding"])),
        status=draw(st.sampled_from(["ok", "ok", "ok", "cache_hit", "blocked", "failed", "cancelled"])),
        created_at_ms=NOW_MS + draw(st.integers(0, 2)) * DAY_MS,
        session_inferred=draw(st.sampled_from([False, False, True])),
        cost_micro_usd=draw(st.integers(0, 1000)),
        attempts=draw(st.lists(models.map(failed), max_size=2).map(tuple)),
    )


@st.composite
def ratings(draw: st.DrawFn) -> FeedbackReceived:
    number, tenant, session_id = draw(st.integers(0, 10_000)), draw(tenants), draw(session_ids)
    source = draw(st.sampled_from(["session", "session", "auto", "manual"]))
    subject = None if source == "session" else draw(st.none() | request_ids)
    return feedback(
        f"f{number}",
        tenant=tenant,
        session_id=session_id,
        source=source,
        score=draw(st.floats(0, 1)),
        request_id=subject and f"{tenant}-{session_id}-{subject}",
        received_at_ms=NOW_MS + draw(st.integers(0, 5)),
    )


def logs() -> st.SearchStrategy[list[RequestCompleted | FeedbackReceived]]:
    """Events with ids of their own: the same id is the same event."""
    return st.lists(requests() | ratings(), max_size=24, unique_by=lambda event: event.event_id)
