"""The deep scan: exchanges on topic `transcripts` are judged, verdicts published, hostile sessions quarantined."""

import asyncio
from collections.abc import Callable, Iterable
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
from services.firewall.domain.exchange import Origin, Passage, digest, passages
from services.firewall.domain.judgement import Opinion
from services.firewall.metrics import FirewallMetrics
from services.firewall.opinions import Opinions
from services.firewall.pipeline import Inspector
from services.firewall.ports import Events, Quarantines, Standing

log = structlog.get_logger(__name__)


def decode(record: Record) -> TranscriptRecorded:
    """Return the transcript in *record*; raises `InvalidRecordError`."""
    return cast("TranscriptRecorded", decode_event(record))


class DeepScan:
    """
    Judges a batch of transcripts, *concurrency* at a time.

    What an exchange says against its session is stored, and the session quarantined, in one step before the events: a crash
    between the two repeats both, and both are the same again. A text that the scanner fails on is counted and passed over, for
    the next exchange of its session brings it again; what cannot be stored or published rises, so the batch comes again.
    """

    def __init__(
        self,
        inspector: Inspector,
        opinions: Opinions,
        quarantines: Quarantines,
        events: Events,
        metrics: FirewallMetrics,
        *,
        concurrency: int,
        quarantine_ms: int,
        now_ms: Callable[[], int],
    ) -> None:
        self._inspector = inspector
        self._opinions = opinions
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
            found = {passage.origin: await self._read(transcript, passage, policy) for passage in passages(transcript)}
            standing = await self._weigh(transcript, found.values(), policy)
            for origin, opinions in found.items():
                if opinions:
                    await self._tell(transcript, origin, judgement.worst([*opinions.values()]), standing)

    async def _read(
        self, transcript: TranscriptRecorded, passage: Passage, policy: FirewallPolicy
    ) -> dict[str, Opinion]:
        """Return an opinion on each text of *passage*, by its digest."""
        opinions = {}
        for segment in passage.segments:
            known_by = digest(transcript, segment)
            try:
                opinions[known_by] = await self._opinions.of(segment, known_by, passage.origin, policy)
            except ScannerError as error:
                log.warning("transcript.unscanned", request_id=transcript.request_id, error=type(error).__name__)
        return opinions

    async def _weigh(
        self, transcript: TranscriptRecorded, found: Iterable[dict[str, Opinion]], policy: FirewallPolicy
    ) -> Standing:
        opinions = {known_by: opinion for passage in found for known_by, opinion in passage.items()}
        clues = judgement.clues(opinions)
        if not clues:
            return Standing()
        now_ms = self._now_ms()
        hostile = judgement.quarantine(
            transcript, [*opinions.values()], policy.mode, now_ms=now_ms, duration_ms=self._quarantine_ms
        )
        standing = await self._quarantines.weigh(
            transcript.tenant, transcript.session_id, clues, hostile, now_ms=now_ms
        )
        if standing.new:
            self._metrics.quarantined.inc()
        return standing

    async def _tell(self, transcript: TranscriptRecorded, origin: Origin, opinion: Opinion, standing: Standing) -> None:
        """Publish the verdict; ordinary prompts have theirs from the gateway already."""
        if origin == "prompt" and opinion.verdict.action == "allow":
            return
        quarantine = standing.quarantine if opinion.weight else None
        reached = judgement.event(
            transcript,
            origin,
            opinion,
            evidence=standing.evidence,
            quarantined_until_ms=quarantine.until_ms if quarantine else None,
            now_ms=self._now_ms(),
        )
        key = session_key(transcript.tenant, transcript.session_id)
        await self._events.publish_durably(topics.VERDICTS.name, key, msgspec.json.encode(reached))
