"""The aggregator's metrics, all of them."""

from collections.abc import Callable, Iterator, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from libs.routing.noise import Ledger
from libs.runtime.metrics import LATENCY_BUCKETS_S
from services.aggregator.domain.change import Change


class LearnerMetrics:
    """What the learner counts."""

    def __init__(self, registry: CollectorRegistry) -> None:
        # Requests and ratings whose effect is durable.
        self.applied = Counter("aggregator_events_applied", "Events applied to the statistics.", registry=registry)
        # Events met again: journals of gateways replay, and a session's second rating does not count.
        self.duplicates = Counter("aggregator_events_duplicate", "Events without effect.", registry=registry)
        # owner: a zombie was stopped; offsets: the state was moved under the learner, which reads it again.
        self.refused = Counter("aggregator_scripts_refused", "Batches refused.", ["why"], registry=registry)
        # reborn: a log began again under its old name; expired: retention was faster than the learner.
        self.surprises = Counter("aggregator_log_surprises", "Logs not as left.", ["finding"], registry=registry)

    def note(self, change: Change, *, events: int) -> None:
        """Count one applied batch."""
        self.applied.inc(events)
        self.duplicates.inc(change.duplicates)


class PublicationMetrics:
    """What the publication of weights counts."""

    def __init__(self, registry: CollectorRegistry) -> None:
        # Snapshots published, tenants and pool apart.
        self.published = Counter("aggregator_weights_published", "Weights published.", ["scope"], registry=registry)
        # Somebody else published first and the computation was repeated.
        self.conflicts = Counter("aggregator_weights_conflicts", "Publications repeated.", registry=registry)
        # The log of weights could not be written (the entry stays in the outbox) or does not take an entry of that size.
        self.unlogged = Counter("aggregator_weights_unlogged", "Weights not in the log.", registry=registry)
        # From a rating's arrival at the front door to weights that contain it.
        self.latency = Histogram(
            "aggregator_rating_to_weights_seconds",
            "Rating received to weights published.",
            buckets=LATENCY_BUCKETS_S,
            registry=registry,
        )
        # One tenant's statistics read, estimated and published.
        self.duration = Histogram(
            "aggregator_publication_seconds", "One publication.", buckets=LATENCY_BUCKETS_S, registry=registry
        )


class PoolMetrics:
    """What the pool's noise has cost, at the process that keeps the pool."""

    def __init__(self, registry: CollectorRegistry) -> None:
        # Of the current period, by everything said of every task; 0 without noise.
        self.epsilon = Gauge("aggregator_pool_epsilon", "Privacy spent in the period.", registry=registry)
        # Tasks whose newest content the budget does not allow to be said yet.
        self.refused = Gauge("aggregator_pool_refused_tasks", "Tasks refused by the budget.", registry=registry)

    def note(self, ledger: Ledger, delta: float) -> None:
        """Show what *ledger* says."""
        self.epsilon.set(ledger.epsilon(delta))
        self.refused.set(len(ledger.waiting))


class SinkMetrics:
    """What the ClickHouse sink counts."""

    def __init__(self, registry: CollectorRegistry) -> None:
        # Rows stored, by table.
        self.rows = Counter("aggregator_sink_rows", "Rows stored.", ["table"], registry=registry)
        # Times that ClickHouse was away and the sink waited.
        self.waits = Counter("aggregator_sink_waits", "Waits for ClickHouse.", registry=registry)


class LagCollector(Collector):
    """Records that wait in Kafka, asked for when somebody scrapes: role → a function from (topic, partition) to records."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._roles: dict[str, Callable[[], Mapping[tuple[str, int], int]]] = {}
        registry.register(self)

    def watch(self, role: str, lag: Callable[[], Mapping[tuple[str, int], int]]) -> None:
        """Ask *lag* for *role* from now on."""
        self._roles[role] = lag

    def forget(self, role: str) -> None:
        """Ask no more for *role*."""
        self._roles.pop(role, None)

    def collect(self) -> Iterator[Metric]:
        """Yield the gauge."""
        gauge = GaugeMetricFamily(
            "aggregator_lag_records", "Records not read yet.", labels=["role", "topic", "partition"]
        )
        for role, lag in self._roles.items():
            for (topic, partition), records in lag().items():
                gauge.add_metric([role, topic, str(partition)], records)
        yield gauge
