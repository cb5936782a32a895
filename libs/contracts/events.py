"""
Events exchanged over Kafka: facts in the past tense, one struct each.

Times are Unix milliseconds, money is micro-dollars, scores lie in [0, 1]. A field added later has a default; a field that
changes its meaning is a new version of the topic.
"""

from typing import Any, Literal, TypeAlias

import msgspec

Source: TypeAlias = Literal["session", "auto", "manual", "benchmark"]
Phase: TypeAlias = Literal["day0", "auto", "nps"]
Status: TypeAlias = Literal["ok", "cache_hit", "blocked", "failed", "cancelled", "rejected"]
CacheTier: TypeAlias = Literal["off", "miss", "exact", "semantic"]
Strategy: TypeAlias = Literal[
    "passthrough",
    "feedback_driven",
    "smart_cost",
    "latency_based",
    "weighted",
    "round_robin",
    "fallback",
]
Label: TypeAlias = Literal["false_positive", "missed_attack", "correct"]
ControlKind: TypeAlias = Literal["key", "plan", "policy", "rule", "gates", "priors"]
Stage: TypeAlias = Literal["live", "canary", "shadow"]
LeakCategory: TypeAlias = Literal["secret_leak", "system_prompt_leak"]


class SourceWeights(msgspec.Struct, frozen=True, kw_only=True):
    """Share of each feedback source in the score; the four add up to 1."""

    session: float = 0.0
    auto: float = 0.0
    manual: float = 0.0
    benchmark: float = 0.0


class SourceScores(msgspec.Struct, frozen=True, kw_only=True):
    """What each source expects of a model, in [0, 1]; None where a source has no evidence."""

    session: float | None = None
    auto: float | None = None
    manual: float | None = None
    benchmark: float | None = None


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """
    One model that passed the constraints, as the decision saw it.

    *score* is the weighted mean of *scores*; *utility* is the score less cost and latency; *propensity* is the probability
    with which this decision would pick the model; *samples* is the evidence behind the score, in effective sessions;
    *best_probability* is how likely no other candidate has a higher utility.
    """

    provider: str
    model: str
    scores: SourceScores = SourceScores()
    score: float = 0.0
    utility: float = 0.0
    variance: float = 0.0
    samples: float = 0.0
    propensity: float = 0.0
    best_probability: float = 0.0


class Filtered(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One model that a constraint removed; where a gate did, *measured* is what came to lie beyond its *limit*."""

    provider: str
    model: str
    constraint: str
    measured: float | None = None
    limit: float | None = None


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """How sure the decision can be: what confidence is computed from."""

    samples: float = 0.0
    top2_gap: float = 0.0
    variance: float = 0.0


class DecisionInputs(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """
    What a decision was made from, beside its own fields and the two snapshots: enough to make it again.

    *snapshot_id* and *base_id* name the `WeightsPublished` that were used and, where the tenant's lay over it, the pool's;
    `day0` stands for the shipped benchmarks. *prices* are dollars per million tokens by candidate: fresh input, cached input,
    output. *shares* are the weights that a rule gives its targets, *default_model* is the one an operator configured and
    *pinned* what the session was served before; *trial* says that the session is one of the canary share. *task_by* is who told
    the task: `client`, `structure`, `words`, or the version of the head that did.
    """

    snapshot_id: str
    base_id: str | None = None
    requested: tuple[str, ...] = ()
    context_tokens: int = 0
    expected_output_tokens: int = 0
    pinned: str | None = None
    in_tool_loop: bool = False
    task_by: str = ""
    trial: bool = False
    cost_weight: float = 0.0
    latency_weight: float = 0.0
    exploration_floor: float = 0.0
    default_model: str | None = None
    shares: dict[str, float] = {}
    prices: dict[str, tuple[float, float, float]] = {}


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """
    One routing decision with everything that is needed to replay and audit it.

    *propensity* is the winner's probability given *candidates*, *weights*, *snapshot_version* and *seed*; it cannot be
    recovered afterwards. *not_shortlisted* counts models that might have served but could not win. *pinned* says that the
    session had its model already; *explored* that the winner is not what the strategy prefers. *shadowed* was chosen, but at
    this *stage* of the route only the baseline serves the session: then the winner is the baseline. *inputs* is None in
    records of before they were kept: those cannot be replayed.
    """

    strategy: Strategy
    task: str
    phase: Phase
    weights: SourceWeights
    candidates: tuple[Candidate, ...]
    winner: str
    provider: str
    propensity: float
    snapshot_version: int
    seed: int
    filtered: tuple[Filtered, ...] = ()
    not_shortlisted: int = 0
    rule_id: str | None = None
    baseline: str | None = None
    explored: bool = False
    pinned: bool = False
    pool_used: bool = False
    evidence: Evidence = Evidence()
    confidence: float = 0.0
    confidence_reason: str = ""
    stage: Stage = "live"
    shadowed: str | None = None
    inputs: DecisionInputs | None = None


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One call to an upstream provider; *error* is a class of failure, never upstream text."""

    provider: str
    model: str
    outcome: Literal["ok", "error", "timeout", "cancelled", "circuit_open"]
    http_status: int | None = None
    error: str | None = None
    duration_ms: float = 0.0


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens in disjoint buckets: prompt = fresh_input + cache_read + cache_write, completion = output + reasoning."""

    fresh_input: int = 0
    cache_read: int = 0
    cache_write: int = 0
    output: int = 0
    reasoning: int = 0


class AnswerVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """What was found in the answer, counted by kind, never by value: it passed, passed redacted, or was blocked."""

    action: Literal["flag", "redact", "block"]
    category: LeakCategory
    kinds: dict[str, int]
    role: str = "assistant"


class FirewallVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """
    What the scanner said; *error* means it could not say and the tenant's fail policy decided.

    *scanner* is who said it: the gateway's own, or the firewall service; None where nobody scanned. *answer* is the other
    side's: None where the answer was not looked at, or nothing was found in it.
    """

    action: Literal["allow", "flag", "block", "off", "error"]
    score: float = 0.0
    category: str | None = None
    role: str | None = None
    took_us: int = 0
    scanner: Literal["local", "remote"] | None = None
    answer: AnswerVerdict | None = None


class Timings(msgspec.Struct, frozen=True, kw_only=True):
    """Stages of one request in microseconds; *overhead_us* is all that the gateway added itself."""

    parse_us: int = 0
    lookup_us: int = 0
    scan_us: int = 0
    decide_us: int = 0
    upstream_us: int = 0
    first_byte_us: int | None = None
    overhead_us: int = 0
    total_us: int = 0


class RequestCompleted(msgspec.Struct, frozen=True, kw_only=True, tag="request.completed", tag_field="type"):
    """
    One request ended: served, from cache, blocked, failed or cancelled. Topic `requests`, one per request.

    *event_id* equals *request_id*. *session_id* is always set: given by the client, else inferred (*session_inferred*; good
    for stickiness, never joined with feedback). *decision* is None where the request ended before one was made. *model* and
    *provider* name what really served.
    """

    event_id: str
    request_id: str
    tenant: str
    key_id: str
    session_id: str
    session_inferred: bool
    created_at_ms: int
    status: Status
    http_status: int
    requested_model: str
    endpoint: str = "/v1/chat/completions"
    stream: bool = False
    completion_id: str | None = None
    provider: str | None = None
    model: str | None = None
    decision: Decision | None = None
    attempts: tuple[Attempt, ...] = ()
    usage: Usage = Usage()
    usage_estimated: bool = False
    cost_micro_usd: int = 0
    cache: CacheTier = "off"
    firewall: FirewallVerdict | None = None
    timings: Timings = Timings()
    latency_ms: int = 0
    error_code: str | None = None
    user_id: str | None = None
    project_id: str | None = None
    session_name: str | None = None
    session_path: str | None = None
    properties: dict[str, str] = {}


class TranscriptRecorded(msgspec.Struct, frozen=True, kw_only=True, tag="transcript.recorded", tag_field="type"):
    """
    The bodies of one exchange, where the tenant's retention allows it. Topic `transcripts`.

    *request* is the client's body and *response* the assembled answer, both JSON text; *expires_at_ms* is when the stored row
    has to be gone.
    """

    event_id: str
    request_id: str
    tenant: str
    session_id: str
    created_at_ms: int
    expires_at_ms: int
    model: str
    provider: str
    request: str
    response: str
    task: str = "chat"


class FeedbackReceived(msgspec.Struct, frozen=True, kw_only=True, tag="feedback.received", tag_field="type"):
    """
    Somebody or something rated a session or one request. Topic `feedback`.

    *event_id* is derived from (tenant, session, source, rater or request), so that a retry is the same event. *score* lies in
    [0, 1]; *nps* is the 0–10 score that a session rating came with. *request_id* narrows a judge's or admin's rating to one
    decision; None means every decision of the session.
    """

    event_id: str
    tenant: str
    session_id: str
    source: Literal["session", "auto", "manual"]
    score: float
    received_at_ms: int
    nps: int | None = None
    useful: bool | None = None
    request_id: str | None = None
    rater: str | None = None


class VerdictReached(msgspec.Struct, frozen=True, kw_only=True, tag="verdict.reached", tag_field="type"):
    """
    The deep scan judged one exchange off the hot path. Topic `verdicts`. It carries no text of the exchange.

    *score* is what *action* follows from. *first_score* is that of the scanner which gateways run, *second_score* that of the
    second opinion alone, None where it was absent or not asked. *session_evidence* is what the session's suspicious passages
    come to after this exchange, 0 where it added none: from 1 on the session is hostile.
    """

    event_id: str
    tenant: str
    session_id: str
    request_id: str
    action: Literal["allow", "flag", "block"]
    score: float
    reached_at_ms: int
    category: str | None = None
    origin: Literal["tool_result", "answer", "prompt"] = "tool_result"
    quarantined_until_ms: int | None = None
    first_score: float | None = None
    second_score: float | None = None
    session_evidence: float = 0.0


class VerdictLabelled(msgspec.Struct, frozen=True, kw_only=True, tag="verdict.labelled", tag_field="type"):
    """
    A tenant said whether the firewall was right about a request, or about a session. Topic `verdicts`.

    *event_id* is derived from (tenant, session, request): a subject has one label, and a retry is the same event. *labeller* is
    the id of the key that said so; *request_id* None means the session as a whole. *text* is what was judged, where the tenant
    sent it along and lets its prompts train the scanner: a blocked prompt is kept nowhere else.
    """

    event_id: str
    tenant: str
    session_id: str
    label: Label
    labelled_at_ms: int
    request_id: str | None = None
    labeller: str | None = None
    comment: str | None = None
    text: str | None = None


class ControlChanged(msgspec.Struct, frozen=True, kw_only=True, tag="control.changed", tag_field="type"):
    """
    One entity of the routing policy changed. Topic `control` (compacted): the source of truth and the audit log.

    *value* is the entity after the change, None when it was deleted; the hashes are SHA-256 of its canonical JSON, so that the
    log proves what was changed. The record's key is `control_key()`.
    """

    event_id: str
    tenant: str
    kind: ControlKind
    entity_id: str
    changed_at_ms: int
    actor: str
    value: dict[str, Any] | None = None
    before_sha256: str | None = None
    after_sha256: str | None = None
    reason: str | None = None


class Estimate(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A posterior over a model's quality: mean in [0, 1], variance of the mean, effective sample size."""

    mean: float
    variance: float
    samples: float = 0.0


class ModelEstimates(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is known of one model on one task; a source without evidence is None."""

    benchmark: Estimate
    session: Estimate | None = None
    auto: Estimate | None = None
    manual: Estimate | None = None
    latency_ms: float | None = None
    cost_micro_usd: float | None = None
    error_rate: float | None = None


class WeightsPublished(msgspec.Struct, frozen=True, kw_only=True, tag="weights.published", tag_field="type"):
    """
    The weights of one scope, a tenant or the shared pool, as gateways use them. Topic `weights` (compacted) and Redis.

    *version* grows by one with each publication of the scope; 0 is Day 0. *tasks* maps task → model → estimates.
    """

    event_id: str
    scope: str
    version: int
    published_at_ms: int
    phase: Phase
    weights: SourceWeights
    requests: int = 0
    rated_sessions: int = 0
    pool_used: bool = False
    tasks: dict[str, dict[str, ModelEstimates]] = {}


Event: TypeAlias = (
    RequestCompleted
    | TranscriptRecorded
    | FeedbackReceived
    | VerdictReached
    | VerdictLabelled
    | ControlChanged
    | WeightsPublished
)


def session_key(tenant: str, session_id: str) -> bytes:
    """Return the record key of everything that belongs to one session, so that it meets in one partition."""
    return f"{tenant}:{session_id}".encode()


def control_key(tenant: str, kind: ControlKind, entity_id: str) -> bytes:
    """Return the record key of one control entity: compaction keeps its newest state."""
    return f"{tenant}:{kind}:{entity_id}".encode()
