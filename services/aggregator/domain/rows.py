"""Events as rows of the tables in deploy/clickhouse: the event whole, and beside it what queries filter or sum."""

from collections.abc import Callable
from typing import Any, TypeAlias

import msgspec

from libs.contracts import events
from libs.contracts.events import Event
from services.aggregator.domain import measures

MICRO = 1_000_000

Row: TypeAlias = dict[str, object]


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """Where an event stood in the log, its bytes as they were, and when it is stored."""

    partition: int
    offset: int
    timestamp_ms: int
    value: bytes
    ingested_at_ms: int


def table_of(event: Event) -> str:
    """Return the table that keeps the event."""
    return _TABLES[type(event)][0]


def row_of(event: Event, origin: Origin) -> Row:
    """Return column → value."""
    return _TABLES[type(event)][1](event) | {
        "log_partition": origin.partition,
        "log_offset": origin.offset,
        "log_timestamp_ms": origin.timestamp_ms,
        "ingested_at_ms": origin.ingested_at_ms,
        **({} if isinstance(event, events.TranscriptRecorded) else {"event": origin.value.decode()}),
    }


def score_micro(score: float) -> int:
    """Return a score in millionths, clipped and rounded as credit does, so that SQL can repeat the arithmetic exactly."""
    return round(min(1.0, max(0.0, score)) * MICRO)


def _request(event: events.RequestCompleted) -> Row:
    return {
        "request_id": event.request_id,
        "tenant": event.tenant,
        "session_id": event.session_id,
        "session_inferred": int(event.session_inferred),
        "created_at_ms": event.created_at_ms,
        "completion_id": event.completion_id or "",
        "key_id": event.key_id,
        "user_id": event.user_id or "",
        "project_id": event.project_id or "",
        "endpoint": event.endpoint,
        "status": event.status,
        "http_status": event.http_status,
        "error_code": event.error_code or "",
        "requested_model": event.requested_model,
        "provider": event.provider or "",
        "model": event.model or "",
        "cache": event.cache,
        "firewall_action": event.firewall.action if event.firewall else "off",
        "firewall_score": event.firewall.score if event.firewall else 0.0,
        "cost_micro_usd": event.cost_micro_usd,
        "latency_ms": event.latency_ms,
        "overhead_us": event.timings.overhead_us,
        "counts": int(measures.served_by_model(event)),
        "failed_models": list(measures.failed_models(event)),
        **msgspec.structs.asdict(event.usage),
        **_decision(event.decision),
    }


def _decision(decision: events.Decision | None) -> Row:
    return {
        "task": decision.task if decision else "",
        "strategy": decision.strategy if decision else "",
        "phase": decision.phase if decision else "",
        "rule_id": (decision.rule_id if decision else None) or "",
        "winner": decision.winner if decision else "",
        "baseline": (decision.baseline if decision else None) or "",
        "propensity": decision.propensity if decision else 0.0,
        "confidence": decision.confidence if decision else 0.0,
        "snapshot_version": decision.snapshot_version if decision else 0,
        "explored": int(decision.explored) if decision else 0,
        "pinned": int(decision.pinned) if decision else 0,
        "pool_used": int(decision.pool_used) if decision else 0,
        "decided": int(decision is not None),
    }


def _feedback(event: events.FeedbackReceived) -> Row:
    return {
        "event_id": event.event_id,
        "tenant": event.tenant,
        "session_id": event.session_id,
        "request_id": event.request_id or "",
        "source": event.source,
        "score": event.score,
        "score_micro": score_micro(event.score),
        "nps": event.nps,
        "useful": None if event.useful is None else int(event.useful),
        "rater": event.rater or "",
        "received_at_ms": event.received_at_ms,
    }


def _transcript(event: events.TranscriptRecorded) -> Row:
    return {
        "event_id": event.event_id,
        "request_id": event.request_id,
        "tenant": event.tenant,
        "session_id": event.session_id,
        "created_at_ms": event.created_at_ms,
        "expires_at_ms": event.expires_at_ms,
        "provider": event.provider,
        "model": event.model,
        "task": event.task,
        "request": event.request,
        "response": event.response,
    }


def _verdict(event: events.VerdictReached) -> Row:
    return {
        "event_id": event.event_id,
        "tenant": event.tenant,
        "session_id": event.session_id,
        "request_id": event.request_id,
        "action": event.action,
        "score": event.score,
        "category": event.category or "",
        "origin": event.origin,
        "label": "",
        "labeller": "",
        "comment": "",
        "reached_at_ms": event.reached_at_ms,
    }


def _label(event: events.VerdictLabelled) -> Row:
    """Return the columns of a verdict, in their order: both are inserted together."""
    return {
        "event_id": event.event_id,
        "tenant": event.tenant,
        "session_id": event.session_id,
        "request_id": event.request_id or "",
        "action": "",
        "score": 0.0,
        "category": "",
        "origin": "",
        "label": event.label,
        "labeller": event.labeller or "",
        "comment": event.comment or "",
        "reached_at_ms": event.labelled_at_ms,
    }


def _control(event: events.ControlChanged) -> Row:
    return {
        "event_id": event.event_id,
        "tenant": event.tenant,
        "kind": event.kind,
        "entity_id": event.entity_id,
        "changed_at_ms": event.changed_at_ms,
        "actor": event.actor,
        "deleted": int(event.value is None),
        "before_sha256": event.before_sha256 or "",
        "after_sha256": event.after_sha256 or "",
        "reason": event.reason or "",
    }


def _weights(event: events.WeightsPublished) -> Row:
    return {
        "event_id": event.event_id,
        "scope": event.scope,
        "version": event.version,
        "published_at_ms": event.published_at_ms,
        "phase": event.phase,
        "requests": event.requests,
        "rated_sessions": event.rated_sessions,
    }


_TABLES: dict[type[Event], tuple[str, Callable[[Any], Row]]] = {
    events.RequestCompleted: ("requests", _request),
    events.TranscriptRecorded: ("transcripts", _transcript),
    events.FeedbackReceived: ("feedback", _feedback),
    events.VerdictReached: ("verdicts", _verdict),
    events.VerdictLabelled: ("verdicts", _label),
    events.ControlChanged: ("control", _control),
    events.WeightsPublished: ("weights", _weights),
}
