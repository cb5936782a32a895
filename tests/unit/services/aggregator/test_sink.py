"""Every event becomes a row; the place in the log moves only once the row is stored."""

import asyncio

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from libs.contracts.events import VerdictReached
from libs.contracts.topics import PARTITIONS
from libs.kafka.batches import BatchLimits
from libs.kafka.consumer import run
from libs.kafka.dead_letters import DeadLetterTopics
from libs.kafka.memory import MemoryBroker, MemorySender, MemorySource
from services.aggregator import perseverance
from services.aggregator.app import sink_groups
from services.aggregator.consumer import decode
from services.aggregator.metrics import SinkMetrics
from services.aggregator.perseverance import persevere
from services.aggregator.ports import LogUnavailableError
from services.aggregator.sink import Sink, SinkOffsets
from tests.unit.services.aggregator.fakes import FakeRows
from tests.unit.services.aggregator.waiting import until
from tests.unit.services.aggregator.world import NOW_MS, feedback, request

TOPICS = ("requests", "feedback", "verdicts")
VERDICT = VerdictReached(
    event_id="v", tenant="acme", session_id="s1", request_id="r1", action="block", score=0.9, reached_at_ms=NOW_MS
)


@pytest.fixture
def broker():
    return MemoryBroker(partitions=2)


def put(broker, topic, *events):
    for event in events:
        broker.put(topic, b"acme:s1", msgspec.json.encode(event))


async def sunk(broker, rows, until_):
    """Run the sink as the service does until *until_* holds."""
    stop, metrics = asyncio.Event(), SinkMetrics(CollectorRegistry())

    async def attempt():
        source, letters = MemorySource(broker, TOPICS, group="sink"), DeadLetterTopics(MemorySender(broker))
        limits = BatchLimits(max_records=3, max_wait_s=0.0, poll_s=0.01)
        sink = Sink(rows, metrics, clock_ms=lambda: NOW_MS)
        await run(source, sink, letters, stop=stop, decode=decode, limits=limits, progress=SinkOffsets(rows))

    task = asyncio.create_task(
        persevere("sink", attempt, stop=stop, recoverable=(LogUnavailableError,), on_wait=metrics.waits.inc)
    )
    await until(lambda: until_(metrics))
    stop.set()
    await task


def offsets(rows, table):
    return sorted(row["log_offset"] for row in rows.tables.get(table, ()))


async def test_each_event_is_a_row_of_its_table_and_a_broken_one_a_dead_letter(broker):
    rows = FakeRows()
    put(broker, "requests", request("r1"), request("r2"))
    broker.put("requests", b"acme:s1", b"broken")
    put(broker, "requests", request("r3"))
    put(broker, "feedback", feedback())
    put(broker, "verdicts", VERDICT)
    await sunk(broker, rows, lambda _: sum(map(len, rows.tables.values())) == 5)
    assert {"requests": [0, 1, 3], "feedback": [0], "verdicts": [0]} == {t: offsets(rows, t) for t in TOPICS}
    assert 1 == len(broker.records("requests.dlq"))


async def test_while_clickhouse_is_away_the_log_waits_and_nothing_is_lost(broker, monkeypatch):
    monkeypatch.setattr(perseverance, "FIRST_WAIT_S", 0.001)
    monkeypatch.setattr(perseverance, "LONGEST_WAIT_S", 0.01)
    rows = FakeRows()
    rows.away = True
    put(broker, "requests", *(request(f"r{n}") for n in range(8)))

    def comes_back(metrics):
        if rows.away and metrics.waits._value.get() >= 3:
            assert not any(broker.committed.values())
            rows.away = False
        return len(rows.tables.get("requests", ())) == 8

    await sunk(broker, rows, comes_back)
    assert list(range(8)) == offsets(rows, "requests")


async def test_a_batch_read_again_writes_the_same_rows_again(broker):
    rows = FakeRows()
    put(broker, "requests", request("r1"))
    await sunk(broker, rows, lambda _: len(rows.tables.get("requests", ())) == 1)
    broker.committed.clear()
    await sunk(broker, rows, lambda _: len(rows.tables["requests"]) == 2)
    first, second = rows.tables["requests"]
    assert first == second


async def test_a_clickhouse_that_lost_its_rows_is_filled_from_the_beginning_and_another_is_not(broker):
    rows, put_again = FakeRows(), request("r2")
    put(broker, "requests", request("r1"))
    await sunk(broker, rows, lambda _: len(rows.tables.get("requests", ())) == 1)
    put(broker, "requests", put_again)
    await sunk(broker, rows, lambda _: len(rows.tables["requests"]) == 2)
    assert [0, 1] == offsets(rows, "requests")
    empty = FakeRows()
    await sunk(broker, empty, lambda _: len(empty.tables.get("requests", ())) == 2)
    assert [0, 1] == offsets(empty, "requests")


def test_topics_that_are_read_together_have_the_same_number_of_partitions():
    groups = sink_groups()
    assert {"control"} == {topic.name for topic in groups["sink-control"]}
    assert {PARTITIONS} == {topic.partitions for topic in groups["sink"]}
    assert {"requests", "transcripts", "feedback", "verdicts", "weights"} == {topic.name for topic in groups["sink"]}
