"""The aggregator's metrics, all of them."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

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
        # The log of weights could not be written; the entry stays in the outbox.
        self.unlogged = Counter("aggregator_weights_unlogged", "Weights that wait for the log.", registry=registry)
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


class SinkMetrics:
    """What the ClickHouse sink counts."""

    def __init__(self, registry: CollectorRegistry) -> None:
        # Rows stored, by table.
        self.rows = Counter("aggregator_sink_rows", "Rows stored.", ["table"], registry=registry)
        # Times that ClickHouse was away and the sink waited.
        self.waits = Counter("aggregator_sink_waits", "Waits for ClickHouse.", registry=registry)


def lag_gauge(registry: CollectorRegistry) -> Gauge:
    """Return the gauge of records that wait in Kafka, by role, topic and partition."""
    return Gauge("aggregator_lag_records", "Records not yet read.", ["role", "topic", "partition"], registry=registry)
