"""The topic table: who writes a topic, who reads it, what it carries, how it is kept."""

from typing import Literal

import msgspec

from libs.contracts import events

DAY_MS = 86_400_000
PARTITIONS = 6


class Topic(msgspec.Struct, frozen=True, kw_only=True):
    """
    One topic and the parties to it.

    *key* names what records are keyed by; *retention_ms* is None for a compacted topic, which keeps the newest record of each
    key.
    """

    name: str
    events: tuple[type[events.Event], ...]
    key: Literal["tenant:session", "tenant:kind:entity", "scope"]
    produced_by: tuple[str, ...]
    consumed_by: tuple[str, ...]
    purpose: str
    partitions: int = PARTITIONS
    retention_ms: int | None = 7 * DAY_MS

    @property
    def compacted(self) -> bool:
        """Say whether the topic keeps the newest record of each key for good."""
        return self.retention_ms is None

    @property
    def dlq(self) -> str:
        """Return the name of the dead-letter topic."""
        return f"{self.name}.dlq"


REQUESTS = Topic(
    name="requests",
    events=(events.RequestCompleted,),
    key="tenant:session",
    produced_by=("gateway",),
    consumed_by=("aggregator",),
    purpose="every request with its decision",
)
TRANSCRIPTS = Topic(
    name="transcripts",
    events=(events.TranscriptRecorded,),
    key="tenant:session",
    produced_by=("gateway",),
    consumed_by=("aggregator", "feedback_ingest", "firewall"),
    purpose="bodies, where retention allows",
    retention_ms=DAY_MS,
)
FEEDBACK = Topic(
    name="feedback",
    events=(events.FeedbackReceived,),
    key="tenant:session",
    produced_by=("feedback_ingest",),
    consumed_by=("aggregator",),
    purpose="ratings of every source",
)
VERDICTS = Topic(
    name="verdicts",
    events=(events.VerdictReached, events.VerdictLabelled),
    key="tenant:session",
    produced_by=("firewall",),
    consumed_by=("aggregator",),
    purpose="deep-scan verdicts, and what tenants say of verdicts",
)
CONTROL = Topic(
    name="control",
    events=(events.ControlChanged,),
    key="tenant:kind:entity",
    produced_by=("feedback_ingest", "router"),
    consumed_by=("aggregator", "router"),
    purpose="policy changes: source of truth and audit log",
    partitions=1,
    retention_ms=None,
)
WEIGHTS = Topic(
    name="weights",
    events=(events.WeightsPublished,),
    key="scope",
    produced_by=("aggregator",),
    consumed_by=("aggregator",),
    purpose="published weights, for replay",
    retention_ms=None,
)

ALL = (REQUESTS, TRANSCRIPTS, FEEDBACK, VERDICTS, CONTROL, WEIGHTS)
BY_NAME = {topic.name: topic for topic in ALL}
