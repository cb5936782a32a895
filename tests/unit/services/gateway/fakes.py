"""The gateway's neighbours in memory, and a pipeline made of them."""

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec
from prometheus_client import CollectorRegistry

from libs.contracts.events import RequestCompleted, TranscriptRecorded, WeightsPublished
from libs.contracts.state import ApiKey, CachedAnswer, FirewallPolicy, Plan, Quarantine, SessionState, TenantPolicy
from libs.contracts.state import secret_sha256 as sha256
from libs.providers.catalogue import Catalogue, Model, Price, Provider
from libs.redaction.sessions import SessionNames
from libs.routing.priors import day0, load_priors
from libs.scanner.verdict import CLEAN, Verdict
from services.gateway.domain.breaker import Breaker, BreakerSettings
from services.gateway.domain.caller import Caller
from services.gateway.domain.limits import Usage, minute_of, month_of
from services.gateway.domain.routing import Router
from services.gateway.metrics import GatewayMetrics
from services.gateway.pipeline.attempts import Attempts, AttemptSettings
from services.gateway.pipeline.chat import ChatPipeline
from services.gateway.pipeline.exchange import Answer, ChatCall, StreamedAnswer
from services.gateway.pipeline.protection import Protection
from services.gateway.pipeline.publication import Publication
from services.gateway.pipeline.settlement import Settlement
from services.gateway.ports import (
    DirectoryUnavailableError,
    Found,
    Lookup,
    ScanFailedError,
    Scanned,
    Settled,
    UpstreamCall,
)

NOW_MS = 1_795_000_000_000
REQUEST_ID = "00000000-0000-4000-8000-000000000001"
SECRET = "sk-1"
PRICE = Price(fresh_input=1.0, cache_read=0.1, cache_write=1.25, output=10.0)


class FakeClock:
    """Time that passes by a microsecond with each look, and when a test says so."""

    def __init__(self) -> None:
        self.now_ns = 0

    def epoch_ms(self) -> int:
        return NOW_MS + self.now_ns // 1_000_000

    def monotonic_ns(self) -> int:
        self.now_ns += 1000
        return self.now_ns


class FakeDirectory:
    def __init__(self, **callers: Caller) -> None:
        self.by_digest = {sha256(secret): caller for secret, caller in callers.items()}
        self.away = False

    async def find(self, secret_sha256: str) -> Caller | None:
        if self.away:
            raise DirectoryUnavailableError
        return self.by_digest.get(secret_sha256)


class FakeHotState:
    """A `HotState` in memory; what was settled is found again by the next look-up."""

    def __init__(self) -> None:
        self.minutes: dict[tuple[str, str, int], int] = defaultdict(int)
        self.months: dict[tuple[str, str], int] = defaultdict(int)
        self.sessions: dict[tuple[str, str], SessionState] = {}
        self.quarantines: dict[tuple[str, str], Quarantine] = {}
        self.cache: dict[tuple[str, str], CachedAnswer] = {}
        self.aliases: dict[tuple[str, str], str] = {}
        self.last_sessions: dict[tuple[str, str], str] = {}

    async def look_up(self, lookup: Lookup) -> Found:
        tenant, minute, month = lookup.tenant, minute_of(lookup.now_ms), month_of(lookup.now_ms)
        self.minutes[tenant, lookup.key_id, minute] += 1
        self.months[tenant, month] += 1
        return Found(
            usage=Usage(minute=self.minutes[tenant, lookup.key_id, minute], month=self.months[tenant, month]),
            session=self.sessions.get((tenant, lookup.session_id), SessionState()),
            quarantine=self.quarantines.get((tenant, lookup.session_id)),
            cached=None if lookup.cache_digest is None else self.cache.get((tenant, lookup.cache_digest)),
        )

    def settle(self, settled: Settled) -> None:
        tenant, session_id = settled.tenant, settled.session_id
        for alias in filter(None, (settled.request_id, settled.completion_id)):
            self.aliases[tenant, alias] = session_id
        if not settled.session_inferred:
            self.last_sessions[tenant, settled.key_id] = session_id
        if settled.session is not None:
            self.sessions[tenant, session_id] = settled.session
        if settled.cache_digest is not None and settled.cached is not None:
            self.cache[tenant, settled.cache_digest] = settled.cached

    def release(self, tenant: str, now_ms: int) -> None:
        self.months[tenant, month_of(now_ms)] -= 1


class FakeWeights:
    def __init__(self, weights: WeightsPublished) -> None:
        self.weights = weights

    async def of(self, tenant: str, *, consume: bool) -> WeightsPublished:
        return self.weights


class FakeFirewall:
    """Gives the prepared verdict, or fails where there is none; remembers what it was shown."""

    def __init__(self, verdict: Verdict | None = CLEAN) -> None:
        self.verdict = verdict
        self.shown: list[bytes] = []

    async def scan(self, body: bytes, tenant: str, policy: FirewallPolicy) -> Scanned:
        self.shown.append(body)
        if self.verdict is None:
            raise ScanFailedError
        return Scanned(verdict=self.verdict, scanner="local")


class FakeEvents:
    """`durable` holds what a crash would leave: what was left in an earlier turn of the loop."""

    def __init__(self) -> None:
        self.requests: list[RequestCompleted] = []
        self.durable: list[RequestCompleted] = []
        self.transcripts: list[TranscriptRecorded] = []

    def completed(self, event: RequestCompleted) -> None:
        self.requests.append(event)
        asyncio.get_running_loop().call_soon(self.durable.append, event)

    def transcript(self, event: TranscriptRecorded) -> None:
        self.transcripts.append(event)


class Reply(msgspec.Struct, kw_only=True):
    """One scripted answer of a provider; an exception among *parts* is raised in its place."""

    status: int = 200
    content_type: str = "application/json"
    retry_after_s: float | None = None
    parts: list[bytes | Exception | asyncio.Event] = []


class FakeAnswer:
    def __init__(self, reply: Reply) -> None:
        self.status = reply.status
        self.content_type = reply.content_type
        self.retry_after_s = reply.retry_after_s
        self.closed = False
        self._parts = reply.parts

    async def read(self) -> bytes:
        return b"".join([part async for part in self.chunks()])

    async def chunks(self) -> AsyncIterator[bytes]:
        for part in self._parts:
            if isinstance(part, Exception):
                raise part
            if isinstance(part, asyncio.Event):
                await part.wait()
            else:
                yield part

    def close(self) -> None:
        self.closed = True


class FakeUpstream:
    """Providers by model: each call takes the next scripted reply, the last one stays."""

    def __init__(self) -> None:
        self.script: dict[str, list[Reply | Exception]] = {}
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.answers: list[FakeAnswer] = []
        self.answering = asyncio.Event()

    async def open(self, call: UpstreamCall) -> FakeAnswer:
        body = json.loads(call.body)
        self.calls.append((call.provider, body))
        replies = self.script[body["model"]]
        reply = replies.pop(0) if len(replies) > 1 else replies[0]
        if isinstance(reply, Exception):
            raise reply
        self.answers.append(FakeAnswer(reply))
        self.answering.set()
        return self.answers[-1]

    @property
    def models(self) -> list[str]:
        return [body["model"] for _, body in self.calls]


def completion(text: str = "hello", reason: str | None = "stop", **fields: Any) -> bytes:
    return json.dumps(
        {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "model": "m",
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": text},
                    "logprobs": None,
                    "finish_reason": reason,
                }
            ],
            "usage": {"prompt_tokens": 10, "completion_tokens": 5},
        }
        | fields
    ).encode()


def whole(text: str = "hello", **fields: Any) -> Reply:
    return Reply(parts=[completion(text, **fields)])


def sse(*deltas: str, reason: str | None = "stop", usage: bool = True, done: bool = True) -> list[bytes]:
    """Return the events of a streamed answer, one per delta."""
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "model": "m"}
    chunks = [head | {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}]} for text in deltas]
    if reason:
        chunks.append(head | {"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})
    if usage:
        chunks.append(head | {"choices": [], "usage": {"prompt_tokens": 10, "completion_tokens": 5}})
    events = [b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in chunks]
    return [*events, b"data: [DONE]\n\n"] if done else events


def streamed(*parts: bytes | Exception | asyncio.Event) -> Reply:
    return Reply(content_type="text/event-stream", parts=list(parts))


def model(name: str, provider: str = "p") -> Model:
    return Model(id=name, provider=provider, upstream_id=name, family=name, price=PRICE)


CATALOGUE = Catalogue(
    providers={name: Provider(name=name, base_url="http://x") for name in ("p", "q")},
    models={"a": model("a"), "b": model("b"), "c": model("c", "q")},
)


def caller(*, key: dict[str, Any] | None = None, plan: Plan | None = None, **policy: Any) -> Caller:
    return Caller(
        key=ApiKey(**({"key_id": "k", "tenant": "t"} | (key or {}))),
        policy=TenantPolicy(tenant="t", **policy),
        plan=plan or Plan(name="p"),
    )


class World:
    """A pipeline and everything around it."""

    def __init__(
        self, *, who: Caller | None = None, defer: Callable[[Callable[[], None]], object] | None = None
    ) -> None:
        self.clock = FakeClock()
        self.directory = FakeDirectory(**{SECRET: who or caller()})
        self.hot_state = FakeHotState()
        self.weights = FakeWeights(day0(load_priors(), CATALOGUE.models.values(), now_ms=NOW_MS))
        self.firewall = FakeFirewall()
        self.events = FakeEvents()
        self.upstream = FakeUpstream()
        self.upstream.script = {name: [whole(f"from {name}")] for name in CATALOGUE.models}
        self.registry = CollectorRegistry()
        self.metrics = GatewayMetrics(self.registry)
        self.breaker = Breaker(BreakerSettings(failures=3))
        self.draws = [0.0]
        defer = defer or (lambda settle: settle())
        publication = Publication(self.events, self.clock, secret="secret", defer=defer, degrade=self.metrics.degrade)
        self.pipeline = ChatPipeline(
            directory=self.directory,
            hot_state=self.hot_state,
            weights=self.weights,
            protection=Protection(self.firewall, self.metrics.degrade),
            router=Router(CATALOGUE),
            attempts=Attempts(self.upstream, self.breaker, self.clock, AttemptSettings(retry_pause_s=0.0)),
            settlement=Settlement(self.hot_state, publication, self.metrics, self.clock, defer),
            sessions=SessionNames("secret"),
            clock=self.clock,
            draw=lambda: self.draws[0],
        )

    async def ask(
        self,
        *,
        headers: dict[str, str] | None = None,
        secret: str | None = SECRET,
        raw: bytes | None = None,
        **body: Any,
    ) -> Answer | StreamedAnswer:
        """Send a chat completion; *body* overrides the fields of a plain one."""
        fields = {"model": "a", "messages": [{"role": "user", "content": "hi"}]} | body
        call = ChatCall(
            request_id=REQUEST_ID,
            authorization=None if secret is None else f"Bearer {secret}",
            headers=tuple((headers or {}).items()),
            body=json.dumps(fields).encode() if raw is None else raw,
        )
        return await self.pipeline.complete(call)

    @property
    def event(self) -> RequestCompleted:
        """The only event."""
        (event,) = self.events.requests
        return event


def error_of(answer: Answer | StreamedAnswer) -> dict[str, Any]:
    """Return the error object of an answer that is one."""
    assert isinstance(answer, Answer)
    error = json.loads(answer.body)["error"]
    assert set(error) == {"message", "type", "param", "code"}
    return error


async def bytes_of(answer: Answer | StreamedAnswer) -> bytes:
    """Return everything that a streamed answer sends."""
    assert isinstance(answer, StreamedAnswer)
    return b"".join([chunk async for chunk in answer.chunks])
