"""Events stored in a real ClickHouse: kept whole, once, and summed by one query exactly as the learner sums them."""

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from libs.contracts import events
from libs.contracts.events import session_key
from libs.contracts.topics import ALL, FEEDBACK, REQUESTS
from libs.kafka.batches import Batch
from libs.kafka.record import Record
from services.aggregator.adapters import clickhouse_log, clickhouse_migrations
from services.aggregator.adapters.clickhouse_client import ClickHouseClient
from services.aggregator.domain import measures, sessions
from services.aggregator.domain.comparison import differences
from services.aggregator.domain.folding import fold
from services.aggregator.domain.places import Place
from services.aggregator.metrics import SinkMetrics
from services.aggregator.ports import LogUnavailableError
from services.aggregator.sink import Sink
from tests.unit.services.aggregator.world import NOW_MS, feedback, logs, request

TABLES = ("requests", "feedback", "transcripts", "verdicts", "control", "weights")


def records(log):
    """Return *log* as records of partition 0."""
    made, offsets = [], {REQUESTS.name: 0, FEEDBACK.name: 0}
    for event in log:
        topic = REQUESTS.name if isinstance(event, events.RequestCompleted) else FEEDBACK.name
        value, key = msgspec.json.encode(event), session_key(event.tenant, event.session_id)
        made.append(Record(topic=topic, partition=0, offset=offsets[topic], key=key, value=value, timestamp_ms=NOW_MS))
        offsets[topic] += 1
    return made


def batch(log, made=None):
    made = made or records(log)
    nexts = {record.topic: record.next_offset for record in made}
    return Batch(partition=0, records=tuple(made), events=tuple(log), start_offsets={}, next_offsets=nexts)


def applied(batch):
    return {0: {topic: Place(next_offset=offset) for topic, offset in batch.next_offsets.items()}}


def folded(log):
    change = fold(log, {})
    return {**change.statistics, **{(tenant, ""): gains for tenant, gains in change.counters.items()}}


@pytest.fixture
def sink(log):
    return Sink(log, SinkMetrics(CollectorRegistry()), clock_ms=lambda: NOW_MS)


async def emptied(client):
    for table in ("requests", "feedback"):
        await client.execute(f"TRUNCATE TABLE {table}")


async def test_migrations_are_applied_once(client):
    assert () == await clickhouse_migrations.migrate(client, clickhouse_migrations.shipped())
    found = await client.query("SELECT name FROM system.tables WHERE database = currentDatabase()")
    assert {*TABLES, "schema_migrations"} == {name for (name,) in found}


async def test_every_statement_of_a_migration_may_be_run_again(client):
    for migration in clickhouse_migrations.shipped():
        for statement in migration.statements:
            await client.execute(statement)


async def test_a_batch_written_twice_is_there_once(client, sink):
    twice = batch([request("r1"), request("r2"), feedback()])
    await sink.handle(twice)
    await sink.handle(twice)
    assert [(2,)] == list(await client.query("SELECT count() FROM requests FINAL"))
    assert [(1,)] == list(await client.query("SELECT count() FROM feedback FINAL"))


async def test_an_event_comes_back_byte_for_byte(client, sink):
    made = request("r1", session_id="späte Sitzung – 🙂 'quoted' \\ \n")
    sent = batch([made])
    await sink.handle(sent)
    ((event, session_id),) = await client.query("SELECT event, session_id FROM requests FINAL")
    assert sent.records[0].value == event.encode()
    assert made.session_id == session_id


async def test_a_request_is_found_by_its_id_alone(client, sink):
    await sink.handle(batch([request(f"r{n}", session_id=f"s{n}") for n in range(500)]))
    found = await client.query("SELECT session_id FROM requests FINAL WHERE request_id = %(id)s", {"id": "r321"})
    assert [("s321",)] == list(found)


async def test_an_example_of_every_event_has_a_row(client, sink):
    for topic in ALL:
        made = [_example(kind) for kind in topic.events]
        values = [msgspec.json.encode(event) for event in made]
        records = [
            Record(topic=topic.name, partition=0, offset=at, key=b"k", value=values[at]) for at in range(len(made))
        ]
        await sink.handle(batch(made, records))
        found = await client.query(
            "SELECT total_rows FROM system.tables WHERE database = currentDatabase() AND name = %(name)s",
            {"name": topic.name},
        )
        assert len(made) == sum(rows for (rows,) in found), topic.name


async def test_an_expired_transcript_is_removed(client, sink):
    event = msgspec.structs.replace(_example(events.TranscriptRecorded), expires_at_ms=1_600_000_001_000)
    record = Record(topic="transcripts", partition=0, offset=0, key=b"k", value=msgspec.json.encode(event))
    await sink.handle(batch([event], [record]))
    await client.execute("OPTIMIZE TABLE transcripts FINAL")
    assert [(0,)] == list(await client.query("SELECT count() FROM transcripts"))


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(log_=logs(), repeated=st.booleans())
async def test_one_query_repeats_the_learners_sums_exactly(client, log, sink, log_, repeated):
    await emptied(client)
    if not log_:
        return
    sent = batch(log_)
    for _ in range(1 + repeated):
        await sink.handle(sent)
    assert [] == list(differences(folded(log_), await log.sums(applied(sent))))


async def test_the_query_splits_a_session_as_credit_does(client, log, sink):
    """Seven hops do not divide a million: the remainder goes to the same hops."""
    hops = [request(f"r{n}", model=f"m{n % 3}", task=f"task{n % 2}") for n in range(7)]
    own = feedback("f2", source="auto", request_id="r3", score=1 / 3)
    sent = batch([*hops, feedback(score=2 / 3), own, feedback("f3", source="auto", score=0.123457)])
    await sink.handle(sent)
    streamed = folded(list(sent.events))
    assert [] == list(differences(streamed, await log.sums(applied(sent))))
    assert 2_000_000 == sum(v for fields in streamed.values() for f, v in fields.items() if ":n:" in f)


async def test_the_query_bounds_a_session_as_the_learner_does(client, log, sink, monkeypatch):
    monkeypatch.setattr(sessions, "MAX_HOPS", 4)
    monkeypatch.setattr(clickhouse_log, "MAX_HOPS", 4)
    sent = batch([*(request(f"r{n}", model=f"m{n}") for n in range(9)), feedback()])
    await sink.handle(sent)
    assert [] == list(differences(folded(list(sent.events)), await log.sums(applied(sent))))


async def test_rows_beyond_the_learner_are_left_out_and_rows_of_an_earlier_log_are_not(client, log, sink):
    sent = batch([request("r1"), request("r2"), request("r3")])
    await sink.handle(sent)
    some = await log.sums({0: {REQUESTS.name: Place(next_offset=2)}})
    assert {measures.REQUESTS: 2} == some["acme", ""]
    reborn = await log.sums({0: {REQUESTS.name: Place(next_offset=0, epoch_ms=NOW_MS)}})
    assert {measures.REQUESTS: 3} == reborn["acme", ""]


async def test_places_follow_the_last_row_stored(log, sink):
    sent = batch([request("r1"), request("r2"), feedback()])
    await sink.handle(sent)
    found = await log.places(0)
    assert {"requests": 2, "feedback": 1} == {topic: place.next_offset for topic, place in found.items()}
    last = sent.records[1]
    assert found["requests"].last is not None
    assert (last.offset, NOW_MS) == (found["requests"].last.offset, found["requests"].last.timestamp_ms)
    assert {} == await log.places(1)


async def test_events_are_streamed_in_chunks(log, sink):
    log_ = [request(f"r{n}", session_id=f"s{n}") for n in range(4_500)]
    await sink.handle(batch(log_))
    chunks = [chunk async for chunk in log.events(0)]
    assert 4_500 == sum(map(len, chunks)) == await log.count(0)
    assert 1 < len(chunks)


async def test_an_absent_server_is_told_apart():
    client = ClickHouseClient("clickhouse://default@127.0.0.1:9/default", connect_timeout_s=0.2)
    with pytest.raises(LogUnavailableError):
        await client.ping()
    await client.close()


def _example(kind):
    return {
        events.RequestCompleted: request(),
        events.FeedbackReceived: feedback(nps=9, useful=True),
        events.TranscriptRecorded: events.TranscriptRecorded(
            event_id="t",
            request_id="r",
            tenant="acme",
            session_id="s",
            created_at_ms=1_600_000_000_000,
            expires_at_ms=4_000_000_000_000,
            model="m",
            provider="p",
            request="{}",
            response="{}",
        ),
        events.VerdictReached: events.VerdictReached(
            event_id="v",
            tenant="acme",
            session_id="s",
            request_id="r",
            action="flag",
            score=0.7,
            reached_at_ms=NOW_MS,
        ),
        events.VerdictLabelled: events.VerdictLabelled(
            event_id="l", tenant="acme", session_id="s", request_id="r", label="false_positive", labelled_at_ms=NOW_MS
        ),
        events.ControlChanged: events.ControlChanged(
            event_id="c", tenant="acme", kind="rule", entity_id="x", changed_at_ms=NOW_MS, actor="a", value={"n": 1}
        ),
        events.WeightsPublished: events.WeightsPublished(
            event_id="w",
            scope="acme",
            version=1,
            published_at_ms=NOW_MS,
            phase="day0",
            weights=events.SourceWeights(benchmark=1.0),
        ),
    }[kind]
