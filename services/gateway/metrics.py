"""Every metric of the gateway, declared once."""

from collections.abc import Callable
from functools import partial

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from libs.contracts.events import AnswerVerdict, FirewallVerdict, RequestCompleted, Timings
from libs.kafka.publisher import JournaledPublisher
from libs.runtime.metrics import LATENCY_BUCKETS_S

STAGE_BUCKETS_S = (0.00002, 0.00005, 0.0001, 0.0002, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1.0)


class GatewayMetrics:
    """The metrics of one process. A request is measured once, by the event that it ends with."""

    def __init__(self, registry: CollectorRegistry) -> None:
        # Requests by how they ended: rate, errors, cache hits and blocks.
        self.requests = Counter(
            "gateway_requests", "Chat requests that ended.", ["status", "http_status", "cache"], registry=registry
        )
        # From the first byte read to the last byte written, upstream included: what a client waits.
        self.duration = Histogram(
            "gateway_request_seconds", "Duration.", ["stream"], buckets=LATENCY_BUCKETS_S, registry=registry
        )
        # Time to first byte of streamed answers: what a user feels.
        self.first_byte = Histogram(
            "gateway_first_byte_seconds", "Until the first byte.", buckets=LATENCY_BUCKETS_S, registry=registry
        )
        # What the gateway itself adds, by stage; `overhead` is their sum and everything between them.
        self.stages = Histogram(
            "gateway_stage_seconds", "Time per stage.", ["stage"], buckets=STAGE_BUCKETS_S, registry=registry
        )
        # Calls to providers by outcome, retries and fallbacks included.
        self.attempts = Counter(
            "gateway_upstream_attempts", "Upstream calls.", ["provider", "model", "outcome"], registry=registry
        )
        # Tokens and money by what really served.
        self.tokens = Counter("gateway_tokens", "Tokens.", ["provider", "model", "bucket"], registry=registry)
        self.cost = Counter("gateway_cost_micro_usd", "Micro-dollars.", ["provider", "model"], registry=registry)
        # Firewall verdicts by the role whose text decided and by who scanned; `error` is where the fail policy decided.
        self.firewall = Counter("gateway_firewall", "Verdicts.", ["action", "role", "scanner"], registry=registry)
        # Scans that wait for this process's scanner: near its limit, the next ones are dropped.
        self.waiting_scans = Gauge("gateway_waiting_scans", "Scans in the queue.", registry=registry)
        # What the output side found in answers, by kind, and what became of the answer.
        self.leaks = Counter("gateway_answer_findings", "Findings.", ["kind", "action"], registry=registry)
        # Work done with less than everything: which dependency was missed.
        self.degraded = Counter("gateway_degraded", "Degradations.", ["what"], registry=registry)
        # Events on disk that Kafka does not have yet: grows while Kafka is away.
        self.journal_bytes = Gauge("gateway_journal_bytes", "Undelivered bytes.", registry=registry)
        # Events lost for good, by reason: always a reason to alarm.
        self.dropped = Gauge("gateway_events_dropped", "Events dropped.", ["why"], registry=registry)
        self._children: dict[tuple[Counter, tuple[str, ...]], Counter] = {}
        self._durations = {stream: self.duration.labels(str(stream).lower()) for stream in (False, True)}
        self._stage = {name: self.stages.labels(name) for name in ("parse", "lookup", "scan", "decide", "overhead")}

    def watch_journal(self, publisher: JournaledPublisher) -> None:
        """Tell of the journal of *publisher* whenever somebody looks."""
        self.journal_bytes.set_function(lambda: publisher.journal.unread_bytes)
        for why in publisher.dropped:
            self.dropped.labels(why).set_function(partial(publisher.dropped.__getitem__, why))

    def watch_scanner(self, waiting: Callable[[], int]) -> None:
        """Tell how many scans are *waiting* whenever somebody looks."""
        self.waiting_scans.set_function(waiting)

    def degrade(self, what: str) -> None:
        """Count one request or task that had to do without *what*."""
        self.degraded.labels(what).inc()

    def completed(self, event: RequestCompleted) -> None:
        """Measure a request by the event that tells of it."""
        self._add(self.requests, (event.status, str(event.http_status), event.cache))
        self._durations[event.stream].observe(event.timings.total_us / 1e6)
        self._observe_stages(event.timings)
        for attempt in event.attempts:
            self._add(self.attempts, (attempt.provider, attempt.model, attempt.outcome))
        if event.firewall is not None:
            self._add(self.firewall, _labels(event.firewall))
            self._count_leaks(event.firewall.answer)
        if event.provider is not None and event.model is not None:
            self._count_use(event, event.provider, event.model)

    def _count_leaks(self, answer: AnswerVerdict | None) -> None:
        if answer is None:
            return
        for kind, count in answer.kinds.items():
            self._add(self.leaks, (kind, answer.action), count)

    def _observe_stages(self, timings: Timings) -> None:
        self._stage["parse"].observe(timings.parse_us / 1e6)
        self._stage["lookup"].observe(timings.lookup_us / 1e6)
        self._stage["scan"].observe(timings.scan_us / 1e6)
        self._stage["decide"].observe(timings.decide_us / 1e6)
        self._stage["overhead"].observe(timings.overhead_us / 1e6)
        if timings.first_byte_us is not None:
            self.first_byte.observe(timings.first_byte_us / 1e6)

    def _count_use(self, event: RequestCompleted, provider: str, model: str) -> None:
        usage = event.usage
        self._add(self.tokens, (provider, model, "input"), usage.fresh_input)
        self._add(self.tokens, (provider, model, "cache_read"), usage.cache_read)
        self._add(self.tokens, (provider, model, "cache_write"), usage.cache_write)
        self._add(self.tokens, (provider, model, "output"), usage.output + usage.reasoning)
        self._add(self.cost, (provider, model), event.cost_micro_usd)

    def _add(self, counter: Counter, labels: tuple[str, ...], amount: int = 1) -> None:
        """Add to the child of *counter*, looked up by the library only once: that costs more than the counting."""
        if not amount:
            return
        child = self._children.get((counter, labels))
        if child is None:
            child = self._children[counter, labels] = counter.labels(*labels)
        child.inc(amount)


def _labels(verdict: FirewallVerdict) -> tuple[str, str, str]:
    return verdict.action, verdict.role or "none", verdict.scanner or "none"
