"""The automatic source: a judge model scores a sample of the exchanges on topic `transcripts`."""

import asyncio
from collections.abc import Callable
from typing import cast

import msgspec

from libs.contracts.events import TranscriptRecorded
from libs.kafka.batches import Batch
from libs.kafka.events import decode_event
from libs.kafka.record import Record
from services.feedback_ingest.domain import judging, ratings
from services.feedback_ingest.metrics import FeedbackMetrics
from services.feedback_ingest.pipeline import Recorder
from services.feedback_ingest.ports import Judge, JudgeError, Ledger, StoreUnavailableError


def decode(record: Record) -> TranscriptRecorded:
    """Return the exchange in *record*; raises `InvalidRecordError`."""
    return cast("TranscriptRecorded", decode_event(record))


class Sampling(msgspec.Struct, frozen=True, kw_only=True):
    """How much is judged: a share *rate* of the requests, *concurrency* at a time, *max_chars* of each body."""

    rate: float
    concurrency: int
    max_chars: int


class JudgeHandler:
    """
    Judges a batch of exchanges and publishes a rating for each that it could judge.

    An exchange that the judge cannot score is counted and passed over: it is a sample, and waiting would hold up all that
    come after. A rating that cannot be published rises, so the batch comes again; what had been published is known by its
    mark and not judged twice.
    """

    def __init__(
        self,
        judge: Judge,
        ledger: Ledger,
        recorder: Recorder,
        *,
        sampling: Sampling,
        metrics: FeedbackMetrics,
        now_ms: Callable[[], int],
    ) -> None:
        self._judge = judge
        self._ledger = ledger
        self._recorder = recorder
        self._sampling = sampling
        self._metrics = metrics
        self._now_ms = now_ms
        self._slots = asyncio.Semaphore(sampling.concurrency)

    async def handle(self, batch: Batch[TranscriptRecorded]) -> None:
        """Return once every rating of *batch* is durable."""
        sampled = [event for event in batch.events if judging.is_sampled(event.request_id, self._sampling.rate)]
        self._metrics.judged.labels("skipped").inc(len(batch.events) - len(sampled))
        async with asyncio.TaskGroup() as group:
            for transcript in sampled:
                group.create_task(self._rate(transcript))

    async def _rate(self, transcript: TranscriptRecorded) -> None:
        async with self._slots:
            outcome = "known" if await self._resumed(transcript) else await self._ask(transcript)
        self._metrics.judged.labels(outcome).inc()

    async def _resumed(self, transcript: TranscriptRecorded) -> bool:
        try:
            mark = await self._ledger.find(ratings.automatic_mark_key(transcript))
        except StoreUnavailableError:
            return False
        if mark is None:
            return False
        await self._recorder.resume(mark)
        return True

    async def _ask(self, transcript: TranscriptRecorded) -> str:
        question = judging.question(transcript, max_chars=self._sampling.max_chars)
        try:
            score = judging.read_verdict(await self._judge.ask(judging.RUBRIC, question))
        except judging.InvalidVerdictError:
            return "invalid_answer"
        except JudgeError as error:
            return str(error)
        await self._recorder.record(
            ratings.automatic_rating(transcript, score, judge=self._judge.name, now_ms=self._now_ms())
        )
        return "rated"
