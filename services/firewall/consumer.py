"""The deep scan: exchanges on topic `transcripts` are judged, verdicts published, hostile sessions quarantined."""

import asyncio
from collections.abc import Callable
from typing import cast

import msgspec
import structlog

from libs.contracts import topics
from libs.contracts.events import TranscriptRecorded, session_key
from libs.contracts.state import FirewallPolicy
from libs.kafka.batches import Batch
from libs.kafka.events import decode_event
from libs.kafka.record import Record
from libs.scanner.scanner import ScannerError
from services.firewall.domain import judgement
from services.firewall.domain.exchange import Passage, passages
from services.firewall.metrics import FirewallMetrics
from services.firewall.pipeline import Inspector
from services.firewall.ports import Events, Quarantines

log = structlog.get_logger(__name__)


def decode(record: Record) -> TranscriptRecorded:
    """Return the transcript in *record*; raises `InvalidRecordError`."""
    return cast("TranscriptRecorded", decode_event(record))


class DeepScan:
    """
    Judges a batch of transcripts, *concurrency* at a time.

    The quarantine goes before the event: a crash between the two repeats both, and both are the same again. A passage that the
    scanner fails on is counted and passed over, for the next exchange of its session brings its tool results again; a verdict
    that cannot be stored or published rises, so the batch comes again.
    """

    def __init__(
        self,
        inspector: Inspector,
        quarantines: Quarantines,
        events: Events,
        metrics: FirewallMetrics,
        *,
        concurrency: int,
        quarantine_ms: int,
        now_ms: Callable[[], int],
    ) -> None:
        self._inspector = inspector
        self._quarantines = quarantines
        self._events = events
        self._metrics = metrics
        self._slots = asyncio.Semaphore(concurrency)
        self._quarantine_ms = quarantine_ms
        self._now_ms = now_ms

    async def handle(self, batch: Batch[TranscriptRecorded]) -> None:
        """Return once every verdict of *batch* is durable."""
        async with asyncio.TaskGroup() as group:
            for transcript in batch.events:
                group.create_task(self._judge(transcript))

    async def _judge(self, transcript: TranscriptRecorded) -> None:
        async with self._slots:
            policy = await self._inspector.policy_of(transcript.tenant)
            if policy.mode == "off":
                return
            for passage in passages(transcript):
                await self._judge_passage(transcript, passage, policy)

    async def _judge_passage(self, transcript: TranscriptRecorded, passage: Passage, policy: FirewallPolicy) -> None:
        thresholds = self._inspector.thresholds(policy)
        try:
            verdict = await self._inspector.inspect(passage.segments, thresholds, origin=passage.origin)
        except ScannerError as error:
            log.warning("transcript.unscanned", request_id=transcript.request_id, error=type(error).__name__)
            return
        now_ms = self._now_ms()
        hostile = judgement.quarantine(verdict, policy, now_ms=now_ms, duration_ms=self._quarantine_ms)
        if hostile is not None:
            await self._quarantines.put(transcript.tenant, transcript.session_id, hostile, now_ms=now_ms)
            self._metrics.quarantined.inc()
        reached = judgement.event(transcript, passage.origin, verdict, hostile, now_ms=now_ms)
        key = session_key(transcript.tenant, transcript.session_id)
        await self._events.publish_durably(topics.VERDICTS.name, key, msgspec.json.encode(reached))
