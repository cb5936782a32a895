"""A streamed answer on its way through: bytes pass at once, are read in passing, and settle the request at their end."""

import asyncio
from collections.abc import AsyncIterator

from libs.contracts.events import Status
from libs.contracts.http import ErrorCode
from libs.providers.answers import SseUsageReader
from services.gateway.domain.accounting import estimated_usage
from services.gateway.domain.assembly import DONE, assembled
from services.gateway.domain.errors import RefusedError
from services.gateway.domain.guard import AnswerGuard, answer_blocked
from services.gateway.domain.guarded_stream import GuardedStream
from services.gateway.domain.trace import Trace
from services.gateway.pipeline.attempts import Attempts, Served
from services.gateway.pipeline.settlement import MAX_CACHED_BYTES, Settlement, recorded
from services.gateway.ports import Clock, UpstreamBrokenError, UpstreamTimeoutError

MAX_KEPT_BYTES = 8 * MAX_CACHED_BYTES
_EVENT = b"data:"
_BLANK_LINE = b"\n\n"


class Relay:
    """
    The `ChunkStream` of an answer that a provider has begun.

    An answer that breaks off ends with an error event and without `[DONE]`, which is not shown before the record of the
    request survives the death of this process. Closing it before its end closes the provider's connection at once; what was
    used so far is accounted.
    """

    def __init__(
        self,
        trace: Trace,
        served: Served,
        *,
        attempts: Attempts,
        settlement: Settlement,
        clock: Clock,
        hide_usage: bool,
        keep: bool,
        guard: AnswerGuard | None = None,
    ) -> None:
        self._trace = trace
        self._served = served
        self._attempts = attempts
        self._settlement = settlement
        self._clock = clock
        self._guard = guard
        self._guarded = None if guard is None else GuardedStream(guard)
        self._reader = SseUsageReader(hide_usage=hide_usage, rewrite=None if guard is None else self._rewrite)
        self._begin_ns = clock.monotonic_ns()
        self._waited_us = trace.laps.upstream_us
        self._first = served.first
        self._kept: list[bytes] | None = [] if keep else None
        self._kept_bytes = 0
        self._events = 0
        self._shown_end = _BLANK_LINE
        self._over = False
        self._is_settled = False

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Return itself."""
        return self

    async def __anext__(self) -> bytes:
        """Return the next bytes for the client."""
        while not self._over:
            shown = await self._advance()
            if shown:
                return shown
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """Stop: a client that has seen `[DONE]` has its answer, any other has gone away."""
        if self._over:
            return
        if self._reader.done:
            self._answered()
        else:
            self._end("cancelled", 499, None)

    async def _advance(self) -> bytes:
        try:
            chunk = await self._next()
        except StopAsyncIteration:
            shown = self._finished()
            await recorded()
            return shown
        except UpstreamTimeoutError:
            return self._broken("timeout", 504, "GATEWAY_TIMEOUT", "The provider stopped sending.")
        except UpstreamBrokenError:
            return self._broken("broken", 502, "PROVIDER_ERROR", "The provider broke off its answer.")
        except asyncio.CancelledError:
            await self.aclose()
            raise
        shown = self._pass(chunk)
        if self._is_blocked():
            return self._blocked()
        if self._reader.done and not self._reader.failed:
            self._settle()
            await recorded()
        return shown

    async def _next(self) -> bytes:
        if self._first:
            first, self._first = self._first, b""
            return first
        if self._served.rest is None:
            raise StopAsyncIteration
        return await anext(self._served.rest)

    def _pass(self, chunk: bytes) -> bytes:
        self._events += chunk.count(_EVENT)
        if self._guarded is None:
            self._keep(chunk)
        shown = self._reader.feed(chunk)
        if shown:
            self._shown_end = shown[-2:]
        return shown

    def _rewrite(self, event: bytes) -> bytes:
        shown = event if self._guarded is None else self._guarded.event(event)
        self._keep(shown)
        return shown

    def _keep(self, chunk: bytes) -> None:
        if self._kept is None:
            return
        self._kept.append(chunk)
        self._kept_bytes += len(chunk)
        if self._kept_bytes > MAX_KEPT_BYTES:
            self._kept = None

    def _finished(self) -> bytes:
        held = self._reader.close()
        self._shown_end = (held or self._shown_end)[-2:]
        is_whole = self._reader.done or self._reader.failed or self._reader.finish_reason is not None
        if not is_whole:
            return self._broken("truncated", 502, "PROVIDER_ERROR", "The provider broke off its answer.")
        held += self._rest()
        if self._is_blocked():
            return self._blocked()
        if self._reader.failed:
            self._fail("error_event", "PROVIDER_ERROR")
            return held
        self._answered()
        return held if self._reader.done else held + self._separator() + DONE

    def _broken(self, reason: str, status: int, code: ErrorCode, message: str) -> bytes:
        if self._is_settled:  # The client has everything: what breaks after `[DONE]` is no loss.
            self._answered()
            return b""
        held = self._rest()
        if self._is_blocked():
            return self._blocked()
        self._fail(reason, code)
        return held + self._error(RefusedError(status, code, message))

    def _rest(self) -> bytes:
        """Return the event with what the guard still held back."""
        rest = b"" if self._guarded is None else self._guarded.end()
        if not rest:
            return b""
        separator, self._shown_end = self._separator(), _BLANK_LINE
        self._keep(rest)
        return separator + rest

    def _is_blocked(self) -> bool:
        return self._guard is not None and self._guard.blocks

    def _blocked(self) -> bytes:
        """End the answer before what must not be seen; the provider did its part and is paid."""
        self._attempts.completed(self._served.model)
        refusal = answer_blocked()
        self._end("blocked", 200, refusal.code)
        return self._error(refusal)

    def _error(self, refusal: RefusedError) -> bytes:
        return self._separator() + b"data: " + refusal.body() + _BLANK_LINE

    def _separator(self) -> bytes:
        """Return what ends an event that was cut in half, before another one can begin."""
        return b"" if self._shown_end == _BLANK_LINE else _BLANK_LINE

    def _fail(self, reason: str, code: ErrorCode) -> None:
        self._attempts.broke(self._served.model, self._trace.attempts, reason)
        self._end("failed", 200, code)

    def _answered(self) -> None:
        self._close()
        self._attempts.completed(self._served.model)
        self._settle()

    def _settle(self) -> None:
        if not self._is_settled:
            self._is_settled = True
            self._account()
            self._settlement.answered(self._trace, self._assembled)

    def _end(self, status: Status, http_status: int, code: ErrorCode | None) -> None:
        self._close()
        self._account()
        self._settlement.ended(self._trace, status, http_status, code)

    def _close(self) -> None:
        self._over = True
        self._served.answer.close()

    def _account(self) -> None:
        trace, reader = self._trace, self._reader
        trace.laps.upstream_us = self._waited_us + (self._clock.monotonic_ns() - self._begin_ns) // 1000
        trace.completion_id = reader.completion_id
        trace.usage = reader.usage or estimated_usage(len(trace.body), self._events)
        trace.usage_estimated = reader.usage is None
        trace.answer_verdict = None if self._guard is None else self._guard.verdict()

    def _assembled(self) -> bytes | None:
        return None if self._kept is None else assembled(b"".join(self._kept))


class WholeStream:
    """The `ChunkStream` of an answer that is here already."""

    def __init__(self, body: bytes) -> None:
        self._rest = [body]

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Return itself."""
        return self

    async def __anext__(self) -> bytes:
        """Return everything at once."""
        if not self._rest:
            raise StopAsyncIteration
        await recorded()
        return self._rest.pop()

    async def aclose(self) -> None:
        """Forget what was not sent."""
        self._rest.clear()
