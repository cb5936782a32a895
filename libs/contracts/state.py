"""
Redis keys and values that two services share.

Keys of one tenant carry the hash tag `{tenant}` and keys of one learning partition the tag `{p<n>}`, so that a pipeline or script
over them stays in one cluster slot. Nothing here is the only copy of a fact: the `control` topic rebuilds policies, ClickHouse
rebuilds statistics.
"""

import hashlib
from typing import Annotated, Literal, TypeAlias

import msgspec

from libs.contracts.events import LeakCategory, Stage, Strategy

ANY_ROUTE = "*"  # The route of gates that hold wherever a rule has none of its own.
POOL = "*pool"  # Scope of the shared pool; no tenant id can hold an asterisk.
PLATFORM = "*platform"  # Owner of entities that belong to no tenant: plans, the Day-0 table.
BENCHMARKS = "benchmarks"  # Entity id of the one Day-0 table.
CHANGES_CHANNEL = "ag:changes"  # Pub/sub: a `Changed` for each new weights version or policy change.
TENANT_PATTERN = r"^[a-z0-9][a-z0-9_-]{0,62}$"
TASK_PATTERN = r"^[a-z][a-z0-9_-]{0,47}$"
MAX_SESSION_ID_CHARS = 256

FirewallMode: TypeAlias = Literal["block", "flag", "off"]
OutputMode: TypeAlias = Literal["off", "flag", "redact", "block"]
Canary: TypeAlias = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_.:-]{8,128}$")]
QuarantineReason: TypeAlias = Literal["passage", "session"]
PiiKind: TypeAlias = Literal["secret", "email", "phone", "card", "iban", "national_id", "ip"]
USUAL_PII: frozenset[PiiKind] = frozenset(("secret", "email", "phone", "card", "iban", "national_id"))


class Changed(msgspec.Struct, frozen=True, kw_only=True):
    """A nudge to gateways: re-read one entity. Losing it costs a poll interval, never correctness."""

    kind: Literal["weights", "key", "plan", "policy", "rule", "gates", "priors"]
    tenant: str
    entity_id: str = ""
    version: int = 0


class ApiKey(msgspec.Struct, frozen=True, kw_only=True):
    """What a key may do; stored under the SHA-256 of its secret, which is nowhere kept."""

    key_id: str
    tenant: str
    permissions: tuple[Literal["read", "write", "admin"], ...] = ("read", "write")
    requests_per_minute: int | None = None
    rule_id: str | None = None
    project_id: str | None = None
    revoked: bool = False


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """Quotas and features of a plan; None means unlimited."""

    name: str
    monthly_requests: int | None = None
    monthly_feedback: int | None = None
    transcript_retention_days: int = 0
    may_leave_pool: bool = False


class FirewallPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """
    How a tenant wants prompts scanned; thresholds None means those of the model card.

    *may_train* allows the operator to export prompts that the tenant has labelled, to train the scanner with. *output* is what
    becomes of an answer in which something of *output_categories* is found: it passes and is recorded, passes with
    `[redacted:kind]` in its place, or ends. The system prompt is no default category: where documents stand in it, an answer
    quotes them. *output_allowed* are kinds of secrets that may pass (`libs/redaction/secret_shapes.py`), *canaries* strings of
    the tenant's own that must never be in an answer.
    """

    mode: FirewallMode = "block"
    on_failure: Literal["open", "closed"] = "open"
    scan_system: bool = False
    flag_threshold: float | None = None
    block_threshold: float | None = None
    may_train: bool = False
    output: OutputMode = "off"
    output_categories: tuple[LeakCategory, ...] = ("secret_leak",)
    output_allowed: tuple[str, ...] = ()
    canaries: tuple[Canary, ...] = ()

    def mode_for(self, *, asked: bool | None) -> FirewallMode:
        """Return how to scan: a client may always turn the scan on, and turn it off only where it blocks nothing."""
        if asked is True and self.mode == "off":
            return "block"
        if asked is False and self.mode == "flag":
            return "off"
        return self.mode


class RedactionPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """
    What is taken out of everything that is published of a tenant's requests and answers: `USUAL_PII` less *skip*, and *extra*.

    `mask` leaves the kind in its place (`[email]`); `hash` adds a keyed digest (`[email:kfjaodmebcdn]`), the same for the same
    value of the tenant, so that what belongs together stays joinable; `off` publishes bodies and labels as they came.
    """

    mode: Literal["mask", "hash", "off"] = "mask"
    skip: tuple[PiiKind, ...] = ()
    extra: tuple[PiiKind, ...] = ()


class RoutingPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """
    A tenant's utility and exploration.

    *cost_weight* is score points lost per dollar of a request, *latency_weight* per second; *half_life_days* is how fast old
    evidence fades; *exploration_floor* is the least probability of each candidate on an explored decision.
    """

    cost_weight: float = 2.0
    latency_weight: float = 0.0
    half_life_days: float = 14.0
    ramp: Literal["step", "smooth"] = "step"
    exploration_floor: float = 0.01


class TokenPrice(msgspec.Struct, frozen=True, kw_only=True):
    """Dollars per million tokens; *cached* None keeps the share of the input price that the list price has."""

    input: float
    output: float
    cached: float | None = None


class TenantPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """
    Everything about a tenant that a request needs.

    *candidates* empty means every model of the catalogue; *tasks* are shapes of the tenant's own, beside those that everybody
    has, which a request may name; *prices* by model id take the place of list prices, in the books and in the utility.
    """

    tenant: str
    plan: str = "starter"
    candidates: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    default_model: str | None = None
    contribute: bool = True
    consume: bool = True
    exact_cache: bool = False
    cache_ttl_s: int = 3600
    firewall: FirewallPolicy = FirewallPolicy()
    redaction: RedactionPolicy = RedactionPolicy()
    routing: RoutingPolicy = RoutingPolicy()
    prices: dict[str, TokenPrice] = {}


class RuleTarget(msgspec.Struct, frozen=True, kw_only=True):
    """One model a rule may choose; *weight* is its share under strategy `weighted`."""

    model: str
    weight: float = 1.0


class RoutingRule(msgspec.Struct, frozen=True, kw_only=True):
    """
    How requests that name the rule (`rule:<name>`, or a key it is attached to) are routed.

    *pinned* sends everything to *default_model* without touching the rule; *pin_reason* says why.
    """

    rule_id: str
    name: str
    strategy: Strategy = "feedback_driven"
    targets: tuple[RuleTarget, ...] = ()
    default_model: str | None = None
    enabled: bool = True
    pinned: bool = False
    pin_reason: str | None = None
    created_at_ms: int = 0
    updated_at_ms: int = 0


class Bound(msgspec.Struct, frozen=True, kw_only=True):
    """A limit on what outcomes may come to, and over which window (`24h`, `7d`) they are watched."""

    value: float
    window: str = "7d"


class OptimizationGates(msgspec.Struct, frozen=True, kw_only=True):
    """
    How far optimisation may go on one route, against its baseline: the default model, else the choice of Day 0.

    *max_regression* is score points in [0, 1] that a model may be worse; *max_cost_increase* and
    *max_cost_drop_without_validation* are shares of the baseline's cost per request. *confidence_threshold* is the least
    probability of being within *max_regression* of the baseline, *max_outcome_variance* the most variance of the expected
    score, *min_samples_before_promotion* the least evidence in sessions; the sticky *canary_share* of sessions gathers that
    evidence. The router moves *stage* on: in `shadow` the baseline serves all, in `canary` all but that share.
    """

    max_regression: Bound | None = None
    max_cost_increase: Bound | None = None
    confidence_threshold: float | None = None
    min_samples_before_promotion: int | None = None
    max_outcome_variance: float | None = None
    max_cost_drop_without_validation: float | None = None
    require_shadow_before_live: bool = False
    canary_share: float = 0.05
    stage: Stage = "live"
    stage_reason: str | None = None
    stage_since_ms: int = 0


class SessionState(msgspec.Struct, frozen=True, kw_only=True):
    """What the gateway remembers of a live session: the model of each task it has been given."""

    pins: dict[str, str] = {}


class CachedAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A complete, clean answer that may be served again: its JSON body as the provider sent it."""

    body: str
    provider: str
    model: str
    completion_id: str | None
    stored_at_ms: int


class Quarantine(msgspec.Struct, frozen=True, kw_only=True):
    """
    A session that turned hostile: its next hops are blocked or flagged until it expires.

    *reason* says whether one passage sufficed or only all of the session's together; *request_id* is the exchange that tipped it.
    """

    action: Literal["flag", "block"]
    category: str | None
    until_ms: int
    reason: QuarantineReason = "passage"
    request_id: str | None = None


class FeedbackMark(msgspec.Struct, frozen=True, kw_only=True):
    """
    The first rating of a session by a source.

    It is written with *published* false, and true once the event is durable: a crash in between leaves a mark that the
    client's retry completes, instead of one that swallows the rating.
    """

    event: str
    published: bool = False


def api_key(secret_sha256: str) -> str:
    """Return the key of an `ApiKey`."""
    return f"ag:key:{secret_sha256}"


def plan(name: str) -> str:
    """Return the key of a `Plan`."""
    return f"ag:plan:{name}"


def priors() -> str:
    """Return the key of the Day-0 table (JSON) that takes the place of the shipped one; absent where none does."""
    return "ag:priors"


def policy(tenant: str) -> str:
    """Return the key of a `TenantPolicy`."""
    return f"ag:{{{tenant}}}:policy"


def rules(tenant: str) -> str:
    """Return the key of the hash rule_id → `RoutingRule`."""
    return f"ag:{{{tenant}}}:rules"


def gates(tenant: str) -> str:
    """Return the key of the hash route → `OptimizationGates`; a route is a rule_id, or `ANY_ROUTE`."""
    return f"ag:{{{tenant}}}:gates"


def weights(scope: str) -> str:
    """Return the key of the newest `WeightsPublished` of a tenant or of the pool."""
    return f"ag:{{{scope}}}:weights"


def session(tenant: str, session_id: str) -> str:
    """Return the key of a `SessionState`."""
    return f"ag:{{{tenant}}}:session:{session_id}"


def last_session(tenant: str, key_id: str) -> str:
    """Return the key of the id of the session that an API key used last."""
    return f"ag:{{{tenant}}}:last:{key_id}"


def session_alias(tenant: str, alias: str) -> str:
    """Return the key of the session id that a completion id or request id belongs to."""
    return f"ag:{{{tenant}}}:alias:{alias}"


def cached_answer(tenant: str, digest: str) -> str:
    """Return the key of a `CachedAnswer`; *digest* covers provider-independent canonical body, model and seed."""
    return f"ag:{{{tenant}}}:cache:{digest}"


def minute_count(tenant: str, key_id: str, minute: int) -> str:
    """Return the key of the number of requests of an API key in a minute since the epoch."""
    return f"ag:{{{tenant}}}:rpm:{key_id}:{minute}"


def month_count(tenant: str, what: Literal["requests", "feedback"], month: str) -> str:
    """Return the key of a tenant's use in a month (`2026-11`)."""
    return f"ag:{{{tenant}}}:month:{what}:{month}"


def quarantine(tenant: str, session_id: str) -> str:
    """Return the key of a `Quarantine`."""
    return f"ag:{{{tenant}}}:quarantine:{session_id}"


def evidence(tenant: str, session_id: str) -> str:
    """Return the key of the sorted set of a session's suspicious passages: digest → weight."""
    return f"ag:{{{tenant}}}:evidence:{session_id}"


def feedback_mark(tenant: str, session_id: str, source: str, subject: str = "") -> str:
    """Return the key of a `FeedbackMark`; *subject* is the request id of a rating that is about one decision."""
    return f"ag:{{{tenant}}}:feedback:{source}:{session_id}:{subject}"


def learning(partition: int, what: str) -> str:
    """Return a key of the aggregator's own state of one partition: offsets, owner, sessions, statistics."""
    return f"ag:{{p{partition}}}:{what}"


def secret_sha256(secret: str) -> str:
    """Return the hex digest under which a key's secret is looked up."""
    return hashlib.sha256(secret.encode()).hexdigest()
