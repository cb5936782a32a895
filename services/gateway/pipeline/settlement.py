"""The end of a request: one event, its measurements, and what the next request will want to know."""

import asyncio
from collections.abc import Callable

from libs.contracts.events import RequestCompleted, Status
from libs.contracts.state import CachedAnswer
from services.gateway.domain.accounting import Outcome, completed, transcript
from services.gateway.domain.completion import is_whole
from services.gateway.domain.preparation import storable_for_s
from services.gateway.domain.routing import pinned
from services.gateway.domain.trace import Prepared, Trace
from services.gateway.metrics import GatewayMetrics
from services.gateway.pipeline.publication import Defer, Publication
from services.gateway.ports import Clock, HotState, Settled

MAX_CACHED_BYTES = 1 << 20
TOO_MANY_REQUESTS = 429


async def recorded() -> None:
    """Return when the records left in this turn of the event loop survive the death of this process: see `Events`."""
    await asyncio.sleep(0)


class Settlement:
    """
    Closes the books of requests.

    The record of a request is left at once, so that no answer is out before it; *defer* runs the rest once the answer is on
    its way.
    """

    def __init__(
        self, hot_state: HotState, publication: Publication, metrics: GatewayMetrics, clock: Clock, defer: Defer
    ) -> None:
        self._hot_state = hot_state
        self._publication = publication
        self._metrics = metrics
        self._clock = clock
        self._defer = defer

    def keeps(self, trace: Trace) -> bool:
        """Say whether anybody will want the bytes of the answer."""
        return trace.caller.plan.transcript_retention_days > 0 or self._cache_ttl_s(trace) > 0

    def answered(self, trace: Trace, assemble: Callable[[], bytes | None]) -> None:
        """Settle a request that a provider answered; *assemble* gives the answer as a `chat.completion` body."""
        event = self._record(trace, "ok", 200)
        self._defer(lambda: self._remember_answer(trace, event, assemble))

    def served_from_cache(self, trace: Trace) -> None:
        """Settle a request that was answered from the exact cache."""
        event = self._record(trace, "cache_hit", 200)
        self._defer(lambda: self._remember(trace, event))

    def ended(self, trace: Trace, status: Status, http_status: int, error_code: str | None = None) -> None:
        """Settle a request without a whole answer: refused, blocked, failed or cancelled."""
        event = self._record(trace, status, http_status, error_code)
        if trace.counted and status == "rejected" and http_status == TOO_MANY_REQUESTS:
            self._hot_state.release(trace.caller.tenant, trace.created_at_ms)
        self._defer(lambda: self._remember(trace, event))

    def _record(
        self, trace: Trace, status: Status, http_status: int, error_code: str | None = None
    ) -> RequestCompleted:
        ended_ns = self._clock.monotonic_ns()
        outcome = Outcome(status=status, http_status=http_status, ended_ns=ended_ns, error_code=error_code)
        event = completed(trace, outcome)
        self._publication.completed(event, trace.caller.policy.redaction)
        return event

    def _remember_answer(self, trace: Trace, event: RequestCompleted, assemble: Callable[[], bytes | None]) -> None:
        body = assemble() if self.keeps(trace) else None
        if body is not None:
            bodies = transcript(trace, body, self._clock.epoch_ms())
            if bodies is not None:
                self._publication.transcript(bodies, trace.caller.policy.redaction)
        self._remember(trace, event, self._cached(trace, body))

    def _remember(self, trace: Trace, event: RequestCompleted, cached: CachedAnswer | None = None) -> None:
        self._metrics.completed(event)
        # A blocked request can be found again too: somebody may say that it was blocked wrongly.
        if trace.prepared is not None and (trace.model is not None or event.status == "blocked"):
            self._hot_state.settle(self._settled(trace, trace.prepared, cached))

    def _settled(self, trace: Trace, prepared: Prepared, cached: CachedAnswer | None) -> Settled:
        return Settled(
            tenant=trace.caller.tenant,
            key_id=trace.caller.key.key_id,
            request_id=trace.request_id,
            session_id=prepared.session.session_id,
            session_inferred=prepared.session.inferred,
            # A cached completion was some other session's first: its id stays that session's.
            completion_id=None if trace.cache == "exact" else trace.completion_id,
            session=pinned(trace.session_state, trace.decision, trace.model),
            cache_digest=prepared.cache_digest,
            cached=cached,
            cache_ttl_s=self._cache_ttl_s(trace),
        )

    def _cache_ttl_s(self, trace: Trace) -> int:
        clean = trace.answer_verdict is None and (trace.verdict is None or trace.verdict.action in ("allow", "off"))
        if trace.prepared is None or trace.prepared.cache_digest is None or not clean:
            return 0
        return storable_for_s(trace.caller, trace.prepared.options)

    def _cached(self, trace: Trace, body: bytes | None) -> CachedAnswer | None:
        if body is None or trace.model is None or trace.provider is None or not self._cache_ttl_s(trace):
            return None
        if len(body) > MAX_CACHED_BYTES or not is_whole(body):
            return None
        return CachedAnswer(
            body=body.decode("utf-8", "replace"),
            provider=trace.provider,
            model=trace.model,
            completion_id=trace.completion_id,
            stored_at_ms=self._clock.epoch_ms(),
        )
