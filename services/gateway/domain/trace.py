"""The story of one request while it is being written: what each stage found, to be told as one event at the end."""

import msgspec

from libs.contracts.events import AnswerVerdict, Attempt, CacheTier, Decision, FirewallVerdict, Usage
from libs.contracts.state import RoutingRule, SessionState
from libs.providers.catalogue import Price
from libs.routing.request import ModelChoice, Reading
from services.gateway.domain.caller import Caller
from services.gateway.domain.limits import RateLimit
from services.gateway.domain.options import Options
from services.gateway.domain.request import ChatBody
from services.gateway.domain.session import SessionRef


class Prepared(msgspec.Struct, frozen=True, kw_only=True):
    """A request that could be read: everything that follows from its bytes and its caller alone."""

    options: Options
    chat: ChatBody
    choice: ModelChoice
    rule: RoutingRule | None
    session: SessionRef
    shape: Reading
    caches: bool
    cache_digest: str | None


class Laps(msgspec.Struct, kw_only=True):
    """Microseconds of each stage so far."""

    parse_us: int = 0
    lookup_us: int = 0
    scan_us: int = 0
    decide_us: int = 0
    upstream_us: int = 0
    first_byte_us: int | None = None


class Trace(msgspec.Struct, kw_only=True):
    """
    One request of a valid key from its arrival to its end. It is the one mutable value: each stage writes its own fields.

    *started_ns* is monotonic, *created_at_ms* is Unix time; *model* and *provider* are what answered, at *price*.
    """

    request_id: str
    caller: Caller
    body: bytes
    created_at_ms: int
    started_ns: int
    prepared: Prepared | None = None
    rate_limit: RateLimit | None = None
    session_state: SessionState = SessionState()
    counted: bool = False
    verdict: FirewallVerdict | None = None
    answer_verdict: AnswerVerdict | None = None
    task: str = "chat"
    decision: Decision | None = None
    attempts: list[Attempt] = []
    model: str | None = None
    provider: str | None = None
    price: Price | None = None
    cache: CacheTier = "off"
    completion_id: str | None = None
    usage: Usage = Usage()
    usage_estimated: bool = False
    laps: Laps = msgspec.field(default_factory=Laps)
