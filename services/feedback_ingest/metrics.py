"""Metrics of feedback-ingest."""

from prometheus_client import CollectorRegistry, Counter


class FeedbackMetrics:
    """Counters of one process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        # What became of each rating: `recorded` is new, `repeated` had been given before.
        self.ratings = Counter(
            "feedback_ratings", "Ratings by source and outcome.", ["source", "outcome"], registry=registry
        )
        # Ratings taken while Redis was away, so without deduplication or quota; the aggregator keeps the first.
        self.unchecked = Counter("feedback_unchecked", "Ratings taken without Redis.", ["source"], registry=registry)
        # Ratings found claimed but unpublished, published again: a process or the broker failed in between.
        self.completed = Counter("feedback_completed", "Half-done ratings completed by a retry.", registry=registry)
        # What became of each transcript that the judge saw: `rated`, `skipped` by sampling, `known`, or a failure's class.
        self.judged = Counter("feedback_judged", "Transcripts by outcome of judging.", ["outcome"], registry=registry)
