"""Calling providers: in order of preference, with a retry, a circuit breaker, and fallback until the first byte."""

import asyncio
import math
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import contextmanager
from typing import Literal, TypeAlias

import msgspec

from libs.contracts.events import Attempt
from libs.providers.answers import Answer, read_answer
from libs.providers.catalogue import Model
from libs.providers.dialect import upstream_body
from services.gateway.domain.breaker import Breaker
from services.gateway.domain.errors import RefusedError, provider_fault
from services.gateway.ports import (
    Clock,
    Upstream,
    UpstreamAnswer,
    UpstreamBrokenError,
    UpstreamCall,
    UpstreamConnectError,
    UpstreamTimeoutError,
)

Outcome: TypeAlias = Literal["ok", "error", "timeout", "cancelled", "circuit_open"]

OURS = frozenset({401, 402, 403, 408, 409, 425, 429})
"""4xx that say nothing about the client's request: our account, our key, our pace."""

REPEATABLE = frozenset({500, 502, 503, 504, 520, 529})
OK = 200
EVENT_STREAM = "text/event-stream"
ERROR_EVENT = b'data: {"error"'


class AttemptSettings(msgspec.Struct, frozen=True, kw_only=True):
    """*max_attempts* per request over all models, *retries* per model; *retry_pause_s* doubles with each retry."""

    max_attempts: int = 4
    retries: int = 1
    retry_pause_s: float = 0.05


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What to ask for: the client's *body*, answered as a stream or whole; every attempt is appended to *log*."""

    body: bytes
    stream: bool
    log: list[Attempt]


class Served(msgspec.Struct, frozen=True, kw_only=True):
    """A provider's good answer: whole in *body* and *said*, or begun with *first* and going on in *rest*."""

    model: Model
    answer: UpstreamAnswer
    body: bytes = b""
    said: Answer = Answer()
    first: bytes = b""
    rest: AsyncIterator[bytes] | None = None


class _FailedError(Exception):
    """An attempt gave no answer; *repeatable* says that the same model may do better at once."""

    def __init__(
        self, reason: str, *, status: int | None = None, repeatable: bool = False, retry_after_s: float = 0.0
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status
        self.repeatable = repeatable
        self.retry_after_s = retry_after_s


class Attempts:
    """Finds a provider that answers; one for the whole process, since the circuits are shared."""

    def __init__(self, upstream: Upstream, breaker: Breaker, clock: Clock, settings: AttemptSettings) -> None:
        self._upstream = upstream
        self._breaker = breaker
        self._clock = clock
        self._settings = settings

    def unavailable(self) -> frozenset[str]:
        """Return the models whose circuit is open."""
        return self._breaker.unavailable(self._now_s())

    async def first_answer(self, models: Iterable[Model], order: Order) -> Served:
        """
        Return the first good answer of *models*: a whole one read to its end, a streamed one up to its first bytes.

        Raises `RefusedError`: the provider's own 4xx for a request that it finds at fault, else 502, or 504 where the last
        provider was too slow.
        """
        failure: _FailedError | None = None
        for model in models:
            for retry in range(1 + self._settings.retries):
                if len(order.log) >= self._settings.max_attempts:
                    raise _all_failed(failure)
                try:
                    return await self._attempt(model, order)
                except _FailedError as error:
                    failure = error
                if not failure.repeatable or retry == self._settings.retries:
                    break
                await asyncio.sleep(self._settings.retry_pause_s * 2**retry)
        raise _all_failed(failure)

    async def _attempt(self, model: Model, order: Order) -> Served:
        begin_ns = self._clock.monotonic_ns()
        outcome: Outcome = "cancelled"
        status: int | None = None
        reason: str | None = None
        try:
            self._check_circuit(model)
            served = await self._call(model, order)
            self._note_answer(model, order)
            outcome, status = "ok", served.answer.status
        except RefusedError as refusal:
            self._breaker.succeeded(model.id)
            outcome, status, reason = "error", refusal.status, "request_refused"
            raise
        except _FailedError as failure:
            outcome, status, reason = _outcome(failure.reason), failure.status, failure.reason
            if outcome != "circuit_open":
                self._breaker.failed(model.id, self._now_s())
            raise
        finally:
            order.log.append(
                Attempt(
                    provider=model.provider,
                    model=model.id,
                    outcome=outcome,
                    http_status=status,
                    error=reason,
                    duration_ms=(self._clock.monotonic_ns() - begin_ns) / 1e6,
                )
            )
        return served

    def completed(self, model: Model) -> None:
        """Note that a stream of *model* came to its end."""
        self._breaker.succeeded(model.id)

    def broke(self, model: Model, log: list[Attempt], reason: str) -> None:
        """Correct the last attempt in *log*: *model* began to answer and failed on the way."""
        self._breaker.failed(model.id, self._now_s())
        log[-1] = msgspec.structs.replace(log[-1], outcome=_outcome(reason), error=reason)

    def _note_answer(self, model: Model, order: Order) -> None:
        if order.stream:
            self._breaker.began(model.id)
        else:
            self._breaker.succeeded(model.id)

    def _check_circuit(self, model: Model) -> None:
        now_s = self._now_s()
        if not self._breaker.allows(model.id, now_s):
            raise _FailedError("circuit_open", retry_after_s=self._breaker.retry_after_s(model.id, now_s))

    async def _call(self, model: Model, order: Order) -> Served:
        body = upstream_body(order.body, model, stream=order.stream)
        with _failures():
            answer = await self._upstream.open(UpstreamCall(provider=model.provider, body=body, stream=order.stream))
            try:
                return await _read(model, answer, stream=order.stream)
            except BaseException:
                answer.close()
                raise

    def _now_s(self) -> float:
        return self._clock.monotonic_ns() / 1e9


async def _read(model: Model, answer: UpstreamAnswer, *, stream: bool) -> Served:
    if answer.status != OK:
        raise await _error_of(answer)
    return await (_begun(model, answer) if stream else _whole(model, answer))


async def _whole(model: Model, answer: UpstreamAnswer) -> Served:
    body = await answer.read()
    said = read_answer(body)
    if said is None or said.failed or not said.finished:
        raise _FailedError("not_a_completion", status=answer.status)
    return Served(model=model, answer=answer, body=body, said=said)


async def _begun(model: Model, answer: UpstreamAnswer) -> Served:
    if answer.content_type != EVENT_STREAM:
        raise _FailedError("not_a_stream", status=answer.status)
    rest = answer.chunks()
    first = await anext(rest, b"")
    if not first or first.lstrip().startswith(ERROR_EVENT):
        raise _FailedError("error_event" if first else "empty_stream", status=answer.status, repeatable=True)
    return Served(model=model, answer=answer, first=first, rest=rest)


async def _error_of(answer: UpstreamAnswer) -> Exception:
    status = answer.status
    if 400 <= status < 500 and status not in OURS:  # noqa: PLR2004 - the 4xx range
        return provider_fault(status, await answer.read())
    hurried = answer.retry_after_s is not None
    return _FailedError(
        f"http_{status}",
        status=status,
        repeatable=status in REPEATABLE and not hurried,
        retry_after_s=answer.retry_after_s or 0.0,
    )


@contextmanager
def _failures() -> Iterator[None]:
    try:
        yield
    except UpstreamConnectError as error:
        raise _FailedError("connect", repeatable=True) from error
    except UpstreamTimeoutError as error:
        raise _FailedError("timeout") from error
    except UpstreamBrokenError as error:
        raise _FailedError("broken", repeatable=True) from error


def _outcome(reason: str) -> Outcome:
    if reason == "timeout":
        return "timeout"
    return "circuit_open" if reason == "circuit_open" else "error"


def _all_failed(failure: _FailedError | None) -> RefusedError:
    if failure is not None and failure.reason == "timeout":
        return RefusedError(504, "GATEWAY_TIMEOUT", "The provider took too long to answer.")
    wait_s = failure.retry_after_s if failure is not None else 0.0
    return RefusedError(
        502,
        "PROVIDER_ERROR",
        "Every candidate provider failed to answer.",
        retry_after_s=math.ceil(wait_s) if wait_s > 0 else None,
    )
