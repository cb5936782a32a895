"""The judge rates the sample once, passes over what it cannot judge, and stops on what it cannot publish."""

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from libs.contracts.events import TranscriptRecorded
from libs.kafka.batches import Batch
from libs.kafka.ports import PublishError
from libs.kafka.record import InvalidRecordError, Record
from services.feedback_ingest.consumer import JudgeHandler, Sampling, decode
from services.feedback_ingest.metrics import FeedbackMetrics
from services.feedback_ingest.pipeline import Recorder
from services.feedback_ingest.ports import JudgeError
from tests.unit.services.feedback_ingest.domain.test_ratings import TRANSCRIPT
from tests.unit.services.feedback_ingest.fakes import FakeEvents, FakeJudge, FakeLedger, ticking


class World:
    def __init__(self, *answers: str | JudgeError, rate: float = 1.0) -> None:
        self.judge = FakeJudge(*answers)
        self.ledger = FakeLedger()
        self.events = FakeEvents()
        self.registry = CollectorRegistry()
        metrics = FeedbackMetrics(self.registry)
        self.handler = JudgeHandler(
            self.judge,
            self.ledger,
            Recorder(self.ledger, self.events, metrics),
            sampling=Sampling(rate=rate, concurrency=1, max_chars=100),
            metrics=metrics,
            now_ms=ticking(),
        )

    def judged(self, outcome: str) -> float:
        return self.registry.get_sample_value("feedback_judged_total", {"outcome": outcome}) or 0.0


def batch(*request_ids: str) -> Batch[TranscriptRecorded]:
    transcripts = tuple(msgspec.structs.replace(TRANSCRIPT, request_id=request_id) for request_id in request_ids)
    records = tuple(record(msgspec.json.encode(transcript)) for transcript in transcripts)
    return Batch(partition=0, records=records, events=transcripts, start_offsets={}, next_offsets={})


def record(value: bytes) -> Record:
    return Record(topic="transcripts", partition=0, offset=0, key=b"acme:s-1", value=value)


async def test_a_judged_exchange_becomes_an_automatic_rating_of_its_request():
    world = World('{"score": 7}')
    await world.handler.handle(batch("r-1"))
    [rating] = world.events.ratings()
    assert ("auto", 0.7, "s-1", "r-1", "judge-1") == (
        rating.source,
        rating.score,
        rating.session_id,
        rating.request_id,
        rating.rater,
    )


async def test_what_is_not_sampled_is_not_asked():
    world = World(rate=0.0)
    await world.handler.handle(batch("r-1", "r-2"))
    assert ([], 2) == (world.judge.asked, world.judged("skipped"))


async def test_a_redelivered_batch_is_not_judged_again():
    world = World('{"score": 7}')
    await world.handler.handle(batch("r-1"))
    await world.handler.handle(batch("r-1"))
    assert (1, 1, 1) == (len(world.judge.asked), len(world.events.published), world.judged("known"))


async def test_failures_of_the_judge_are_counted_and_passed_over():
    world = World("seven!", JudgeError("timeout"), '{"score": 7}')
    await world.handler.handle(batch("r-1", "r-2", "r-3"))
    assert ["r-3"] == [rating.request_id for rating in world.events.ratings()]
    assert (1, 1, 1) == (world.judged("invalid_answer"), world.judged("timeout"), world.judged("rated"))


async def test_without_redis_the_judge_goes_on():
    world = World('{"score": 7}')
    world.ledger.down = True
    await world.handler.handle(batch("r-1"))
    assert 1 == len(world.events.published)


async def test_a_rating_that_cannot_be_published_stops_the_consumer_and_comes_again():
    world = World('{"score": 7}')
    world.events.error = PublishError("disk full")
    with pytest.raises(ExceptionGroup):
        await world.handler.handle(batch("r-1"))
    world.events.error = None
    await world.handler.handle(batch("r-1"))
    assert [0.7] == [rating.score for rating in world.events.ratings()]
    assert 1 == len(world.judge.asked)


def test_a_transcript_is_decoded():
    assert TRANSCRIPT == decode(record(msgspec.json.encode(TRANSCRIPT)))


def test_the_wrong_event_is_refused():
    with pytest.raises(InvalidRecordError, match="ControlChanged"):
        decode(
            record(
                b'{"type":"control.changed","event_id":"e","tenant":"t","kind":"key","entity_id":"k",'
                b'"changed_at_ms":1,"actor":"a"}'
            )
        )
