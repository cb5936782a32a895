"""One chat completion, from a parsed call to an answer: the stages in their order, and who ends the story when."""

import asyncio
from collections.abc import Callable

import msgspec
import structlog

from libs.contracts.events import Decision, Status
from libs.contracts.http import REQUEST_ID
from libs.contracts.state import CachedAnswer
from libs.providers.overrides import priced
from libs.redaction.sessions import SessionNames
from services.gateway.domain.accounting import BYTES_PER_TOKEN, estimated_usage
from services.gateway.domain.assembly import as_stream
from services.gateway.domain.caller import Caller
from services.gateway.domain.errors import RefusedError
from services.gateway.domain.guard import AnswerGuard, guard_of, refuse_leak
from services.gateway.domain.limits import rate_limit, refuse_excess
from services.gateway.domain.preparation import fresh, prepare
from services.gateway.domain.routing import Router
from services.gateway.domain.trace import Prepared, Trace
from services.gateway.pipeline.attempts import Attempts, Order, Served
from services.gateway.pipeline.authentication import authenticate
from services.gateway.pipeline.exchange import JSON, SSE, Answer, ChatCall, Headers, StreamedAnswer, refusal_answer
from services.gateway.pipeline.protection import Protection, quarantine_verdict, refuse_threat
from services.gateway.pipeline.relay import Relay, WholeStream
from services.gateway.pipeline.settlement import Settlement, recorded
from services.gateway.ports import Clock, Directory, Found, HotState, Lookup, WeightsStore

log = structlog.get_logger(__name__)

INTERNAL_ERROR = 500
CLIENT_GONE = 499


class ChatPipeline:
    """
    Answers chat completions.

    Every request of a valid key ends in exactly one settlement: when it is refused or fails here, when a whole answer is
    complete, or when the stream of a streamed one ends or is closed.
    """

    def __init__(
        self,
        *,
        directory: Directory,
        hot_state: HotState,
        weights: WeightsStore,
        protection: Protection,
        router: Router,
        attempts: Attempts,
        settlement: Settlement,
        sessions: SessionNames,
        clock: Clock,
        draw: Callable[[], float],
    ) -> None:
        self._directory = directory
        self._hot_state = hot_state
        self._weights = weights
        self._protection = protection
        self._router = router
        self._attempts = attempts
        self._settlement = settlement
        self._sessions = sessions
        self._clock = clock
        self._draw = draw

    async def complete(self, call: ChatCall) -> Answer | StreamedAnswer:
        """
        Answer *call*; errors are answers too. Cancel the call when the client is gone.

        A whole answer is returned when the record of the request survives the death of this process.
        """
        answer = await self._answer(call)
        if isinstance(answer, Answer):
            await recorded()
        return answer

    async def _answer(self, call: ChatCall) -> Answer | StreamedAnswer:
        started_ns = self._clock.monotonic_ns()
        try:
            caller = await authenticate(self._directory, call.authorization)
        except RefusedError as refusal:
            return refusal_answer(refusal, ((REQUEST_ID, call.request_id),))
        trace = Trace(
            request_id=call.request_id,
            caller=caller,
            body=call.body,
            created_at_ms=self._clock.epoch_ms(),
            started_ns=started_ns,
        )
        try:
            return await self._serve(trace, call)
        except RefusedError as refusal:
            self._settlement.ended(trace, _status(refusal), refusal.status, refusal.code)
            return refusal_answer(refusal, _headers(trace))
        except asyncio.CancelledError:
            self._settlement.ended(trace, "cancelled", CLIENT_GONE)
            raise
        except Exception:
            log.exception("request.failed", request_id=call.request_id)
            self._settlement.ended(trace, "failed", INTERNAL_ERROR, "INTERNAL_ERROR")
            ours = RefusedError(INTERNAL_ERROR, "INTERNAL_ERROR", "Something went wrong on our side.")
            return refusal_answer(ours, _headers(trace))

    async def _serve(self, trace: Trace, call: ChatCall) -> Answer | StreamedAnswer:
        prepared = trace.prepared = self._prepared(trace.caller, call)
        trace.cache = "miss" if prepared.caches else "off"
        trace.laps.parse_us = self._lap_us(trace.started_ns)
        found = await self._look_up(trace, prepared)
        cached = fresh(found.cached, prepared.options, trace.created_at_ms)
        if cached is not None:
            return self._from_cache(trace, prepared, cached)
        await self._scan(trace, prepared)
        decision = trace.decision = await self._decide(trace, prepared)
        return await self._forward(trace, prepared, decision)

    def _prepared(self, caller: Caller, call: ChatCall) -> Prepared:
        prepared = prepare(caller, call.headers, call.body, self._draw())
        given = prepared.session.session_id
        name = self._sessions.of(caller.tenant, given)
        if name == given:
            return prepared
        session = msgspec.structs.replace(prepared.session, session_id=name)
        return msgspec.structs.replace(prepared, session=session)

    async def _look_up(self, trace: Trace, prepared: Prepared) -> Found:
        begin_ns = self._clock.monotonic_ns()
        caller = trace.caller
        found = await self._hot_state.look_up(
            Lookup(
                tenant=caller.tenant,
                key_id=caller.key.key_id,
                session_id=prepared.session.session_id,
                now_ms=trace.created_at_ms,
                cache_digest=prepared.cache_digest,
            )
        )
        trace.laps.lookup_us = self._lap_us(begin_ns)
        trace.session_state = found.session
        trace.rate_limit = rate_limit(caller.key, found.usage, trace.created_at_ms)
        trace.counted = True
        refuse_excess(caller.key, caller.plan, found.usage, trace.created_at_ms)
        mode = caller.policy.firewall.mode_for(asked=prepared.options.security_enabled)
        trace.verdict = quarantine_verdict(found.quarantine, mode, trace.created_at_ms)
        if trace.verdict is not None:
            refuse_threat(trace.verdict, caller.policy.firewall)
        return found

    async def _scan(self, trace: Trace, prepared: Prepared) -> None:
        begin_ns = self._clock.monotonic_ns()
        policy = trace.caller.policy
        mode = policy.firewall.mode_for(asked=prepared.options.security_enabled)
        verdict = await self._protection.verdict(trace.body, policy, mode)
        trace.laps.scan_us = self._lap_us(begin_ns)
        if trace.verdict is None or verdict.action == "block":
            trace.verdict = verdict
        refuse_threat(verdict, policy.firewall)

    async def _decide(self, trace: Trace, prepared: Prepared) -> Decision:
        begin_ns = self._clock.monotonic_ns()
        policy = trace.caller.policy
        weights = await self._weights.of(policy.tenant, consume=policy.consume)
        told = self._router.task_of(trace.caller, prepared)
        trace.task = told.task
        decision = self._router.decide(
            trace.caller,
            prepared,
            told,
            weights,
            session=trace.session_state,
            unavailable=self._attempts.unavailable(),
        )
        trace.laps.decide_us = self._lap_us(begin_ns)
        return decision

    async def _forward(self, trace: Trace, prepared: Prepared, decision: Decision) -> Answer | StreamedAnswer:
        begin_ns = self._clock.monotonic_ns()
        stream = bool(prepared.chat.stream)
        order = Order(body=trace.body, stream=stream, log=trace.attempts)
        try:
            served = await self._attempts.first_answer(self._router.order(decision), order)
        finally:
            trace.laps.upstream_us = self._lap_us(begin_ns)
        trace.model, trace.provider = served.model.id, served.model.provider
        trace.price = priced(served.model, trace.caller.policy.prices).price
        trace.laps.first_byte_us = self._lap_us(trace.started_ns) if stream else None
        return self._streamed(trace, prepared, served) if stream else self._whole(trace, served)

    def _whole(self, trace: Trace, served: Served) -> Answer:
        said = served.said
        trace.completion_id = said.completion_id
        trace.usage = said.usage or estimated_usage(len(trace.body), len(served.body) // BYTES_PER_TOKEN)
        trace.usage_estimated = said.usage is None
        body = _guarded(trace, served.body)
        self._settlement.answered(trace, lambda: body)
        return Answer(status=200, headers=(("content-type", JSON), *_headers(trace)), body=body)

    def _streamed(self, trace: Trace, prepared: Prepared, served: Served) -> StreamedAnswer:
        relay = Relay(
            trace,
            served,
            attempts=self._attempts,
            settlement=self._settlement,
            clock=self._clock,
            hide_usage=not prepared.chat.wants_usage_chunk,
            keep=self._settlement.keeps(trace),
            guard=_guard(trace),
        )
        return StreamedAnswer(status=200, headers=(*_STREAM_HEADERS, *_headers(trace)), chunks=relay)

    def _from_cache(self, trace: Trace, prepared: Prepared, cached: CachedAnswer) -> Answer | StreamedAnswer:
        trace.cache = "exact"
        trace.model, trace.provider, trace.completion_id = cached.model, cached.provider, cached.completion_id
        body = _guarded(trace, cached.body.encode())
        self._settlement.served_from_cache(trace)
        if not prepared.chat.stream:
            return Answer(status=200, headers=(("content-type", JSON), *_headers(trace)), body=body)
        stream = WholeStream(as_stream(body, with_usage=prepared.chat.wants_usage_chunk))
        return StreamedAnswer(status=200, headers=(*_STREAM_HEADERS, *_headers(trace)), chunks=stream)

    def _lap_us(self, begin_ns: int) -> int:
        return (self._clock.monotonic_ns() - begin_ns) // 1000


_STREAM_HEADERS: Headers = (("content-type", SSE), ("cache-control", "no-cache"))


def _guard(trace: Trace) -> AnswerGuard | None:
    return guard_of(trace.caller.tenant, trace.caller.policy.firewall, trace.body)


def _guarded(trace: Trace, body: bytes) -> bytes:
    """Return the completion *body* as the client may see it; raises `RefusedError` where it must not be seen."""
    guard = _guard(trace)
    if guard is None:
        return body
    shown = guard.whole(body)
    trace.answer_verdict = guard.verdict()
    refuse_leak(guard)
    return shown


def _headers(trace: Trace) -> Headers:
    headers = [(REQUEST_ID, trace.request_id), ("Floopy-Cache", trace.cache)]
    if trace.prepared is not None:
        headers.append(("Floopy-Session-Id", trace.prepared.session.session_id))
    if trace.model is not None and trace.provider is not None:
        headers += (("Floopy-Provider", trace.provider), ("Floopy-Model", trace.model))
    if trace.answer_verdict is not None or (trace.verdict is not None and trace.verdict.action == "flag"):
        headers.append(("Floopy-Firewall", trace.answer_verdict.action if trace.answer_verdict is not None else "flag"))
    return (*headers, *(trace.rate_limit.headers() if trace.rate_limit is not None else ()))


def _status(refusal: RefusedError) -> Status:
    if refusal.code in ("PROMPT_THREAT_DETECTED", "ANSWER_BLOCKED"):
        return "blocked"
    return "failed" if refusal.status >= INTERNAL_ERROR else "rejected"
