"""The books: one event per request, its cost, and an estimate of tokens where the provider could not tell them."""

import msgspec

from libs.contracts.events import FirewallVerdict, RequestCompleted, Status, Timings, TranscriptRecorded, Usage
from libs.contracts.topics import DAY_MS
from libs.providers.catalogue import cost_micro_usd
from libs.routing.request import INFERRED_PREFIX
from services.gateway.domain.options import Options
from services.gateway.domain.trace import Laps, Trace

BYTES_PER_TOKEN = 4


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """How a request ended; *http_status* is what the client saw, *ended_ns* is monotonic."""

    status: Status
    http_status: int
    ended_ns: int
    error_code: str | None = None


def completed(trace: Trace, outcome: Outcome) -> RequestCompleted:
    """Return the event of a request that ended, whatever the way."""
    prepared = trace.prepared
    total_us = (outcome.ended_ns - trace.started_ns) // 1000
    options = prepared.options if prepared else Options()
    return RequestCompleted(
        event_id=trace.request_id,
        request_id=trace.request_id,
        tenant=trace.caller.tenant,
        key_id=trace.caller.key.key_id,
        session_id=prepared.session.session_id if prepared else INFERRED_PREFIX + trace.request_id,
        session_inferred=prepared.session.inferred if prepared else True,
        created_at_ms=trace.created_at_ms,
        status=outcome.status,
        http_status=outcome.http_status,
        requested_model=prepared.chat.model if prepared else "",
        stream=bool(prepared.chat.stream) if prepared else False,
        completion_id=trace.completion_id,
        provider=trace.provider,
        model=trace.model,
        decision=trace.decision,
        attempts=tuple(trace.attempts),
        usage=trace.usage,
        usage_estimated=trace.usage_estimated,
        cost_micro_usd=_cost(trace),
        cache=trace.cache,
        firewall=_firewall(trace),
        timings=_timings(trace.laps, total_us),
        latency_ms=total_us // 1000,
        error_code=outcome.error_code,
        user_id=options.user_id,
        project_id=options.project_id or trace.caller.key.project_id,
        session_name=options.session_name,
        session_path=options.session_path,
        properties=options.properties,
    )


def transcript(trace: Trace, response: bytes, ended_at_ms: int) -> TranscriptRecorded | None:
    """Return the bodies of the exchange, or None where the plan keeps none."""
    days = trace.caller.plan.transcript_retention_days
    if days <= 0 or trace.model is None or trace.provider is None or trace.prepared is None:
        return None
    return TranscriptRecorded(
        event_id=trace.request_id,
        request_id=trace.request_id,
        tenant=trace.caller.tenant,
        session_id=trace.prepared.session.session_id,
        created_at_ms=ended_at_ms,
        expires_at_ms=ended_at_ms + days * DAY_MS,
        model=trace.model,
        provider=trace.provider,
        request=trace.body.decode("utf-8", "replace"),
        response=response.decode("utf-8", "replace"),
        task=trace.task,
    )


def estimated_usage(request_bytes: int, output_tokens: int) -> Usage:
    """Return a guess from sizes, for an answer that ended before its usage was told; a streamed event is about a token."""
    return Usage(fresh_input=-(-request_bytes // BYTES_PER_TOKEN), output=output_tokens)


def _firewall(trace: Trace) -> FirewallVerdict | None:
    if trace.answer_verdict is None:
        return trace.verdict
    return msgspec.structs.replace(trace.verdict or FirewallVerdict(action="off"), answer=trace.answer_verdict)


def _cost(trace: Trace) -> int:
    return 0 if trace.price is None else cost_micro_usd(trace.price, trace.usage)


def _timings(laps: Laps, total_us: int) -> Timings:
    return Timings(
        parse_us=laps.parse_us,
        lookup_us=laps.lookup_us,
        scan_us=laps.scan_us,
        decide_us=laps.decide_us,
        upstream_us=laps.upstream_us,
        first_byte_us=laps.first_byte_us,
        overhead_us=max(0, total_us - laps.upstream_us),
        total_us=total_us,
    )
