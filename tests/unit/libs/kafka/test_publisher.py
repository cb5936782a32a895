"""The publisher loses no event that it took, and says so when it takes none."""

import asyncio
import os

import pytest

from libs.kafka.memory import MemoryBroker, MemorySender
from libs.kafka.ports import MessageRefusedError, PublishError, SendError
from libs.kafka.publisher import JournaledPublisher
from libs.kafka.settings import JournalSettings
from tests.integration.libs.kafka.worlds import eventually


class Wire:
    """A sender that writes to a broker in memory, until told to fail or to hang; refuses values that begin with `huge`."""

    def __init__(self) -> None:
        self.broker = MemoryBroker()
        self.failing = False
        self.open = asyncio.Event()
        self.open.set()
        self.calls = 0

    async def send(self, messages):
        self.calls += 1
        await self.open.wait()
        if self.failing:
            raise SendError("down")
        if any(message.value.startswith(b"huge") for message in messages):
            raise MessageRefusedError("too large for the broker")
        await MemorySender(self.broker).send(messages)

    def values(self, topic="t"):
        return [record.value for record in self.broker.records(topic)]


@pytest.fixture
def wire():
    return Wire()


@pytest.fixture
def start(wire, tmp_path):
    def start(**options):
        limits = {"linger_s": 0.0, "sync_interval_s": 0.01, "close_timeout_s": 0.1} | options
        return JournaledPublisher(wire, JournalSettings(directory=tmp_path, **limits), max_message_bytes=1000)

    return start


async def die(publisher):
    """End a publisher as a crash of its process does: nothing is flushed, the lock is gone."""
    publisher._delivering.cancel()
    await asyncio.wait([publisher._delivering])
    publisher._slot.release()


async def test_events_reach_the_broker_in_order(wire, start):
    publisher = start()
    for number in range(100):
        publisher.publish("t", b"k", b"%d" % number)
    await eventually(lambda: len(wire.values()) == 100)
    assert [b"%d" % number for number in range(100)] == wire.values()
    await publisher.close()


async def test_events_of_one_tick_are_written_at_once(start, monkeypatch):
    publisher, writes, write = start(), [], os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: writes.append(data) or write(descriptor, data))
    for _ in range(50):
        publisher.publish("t", b"k", b"v")
    await asyncio.sleep(0)
    assert 1 == len(writes)
    await publisher.close()


async def test_what_a_dead_process_left_is_delivered_by_the_next(wire, start):
    wire.failing = True
    first = start()
    for number in range(10):
        first.publish("t", b"k", b"%d" % number)
    await eventually(lambda: first.delivery.outage)
    await die(first)
    wire.failing = False
    second = start()
    second.publish("t", b"k", b"new")
    await eventually(lambda: len(wire.values()) == 11)
    assert [*(b"%d" % number for number in range(10)), b"new"] == wire.values()
    await second.close()


async def test_a_living_neighbour_adopts_the_journal_of_a_dead_one(wire, start):
    wire.failing = True
    first, second = start(), start(adopt_interval_s=0.01)
    first.publish("t", b"k", b"orphan")
    await eventually(lambda: first.journal.size_bytes)
    await die(first)
    wire.failing = False
    await eventually(lambda: wire.values() == [b"orphan"])
    await second.close()


async def test_neighbours_never_share_a_journal(start):
    first, second = start(), start()
    assert first.journal.directory != second.journal.directory
    await first.close()
    await second.close()


async def test_a_durable_event_is_acknowledged_or_synced(wire, start):
    publisher = start()
    await publisher.publish_durably("t", b"k", b"acknowledged")
    wire.open.clear()
    await asyncio.wait_for(publisher.publish_durably("t", b"k", b"synced"), 10)
    assert b"synced" not in wire.values()
    wire.open.set()
    await publisher.close()
    assert [b"acknowledged", b"synced"] == wire.values()


async def test_a_durable_event_that_cannot_be_synced_is_refused(wire, start, monkeypatch):
    wire.open.clear()
    publisher = start()

    def fail(_descriptor):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(PublishError, match="Input/output error"):
        await asyncio.wait_for(publisher.publish_durably("t", b"k", b"v"), 10)
    monkeypatch.undo()
    wire.open.set()
    await publisher.close()


async def test_what_could_not_be_synced_for_want_of_a_descriptor_is_not_durable_later_either(wire, start, monkeypatch):
    wire.open.clear()
    publisher, synced = start(sync_interval_s=100.0), []

    def fail(_descriptor):
        raise OSError(24, "Too many open files")

    with monkeypatch.context() as broken:
        broken.setattr(os, "dup", fail)
        with pytest.raises(PublishError, match="Too many open files"):
            await asyncio.wait_for(publisher.publish_durably("t", b"k", b"first"), 10)
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(os.fstat(descriptor).st_ino))
    segment = next(publisher.journal.directory.glob("*.segment")).stat().st_ino
    await asyncio.wait_for(publisher.publish_durably("t", b"k", b"second"), 10)
    assert segment in synced
    wire.open.set()
    await publisher.close()


async def test_a_quick_broker_spares_the_disk_every_sync(wire, start):
    publisher = start(sync_interval_s=0.05)
    for _ in range(20):
        publisher.publish("t", b"k", b"v")
        await eventually(lambda: publisher.journal.acked == publisher.journal.end)
    await asyncio.sleep(0.1)
    assert 0 == publisher._durability.syncs
    await publisher.close()


async def test_a_slow_broker_has_events_synced_in_batches(wire, start):
    wire.open.clear()
    publisher = start(sync_interval_s=0.01)
    for _ in range(50):
        publisher.publish("t", b"k", b"v")
    await eventually(lambda: publisher._durability.syncs)
    assert publisher._durability._durable == publisher.journal.end
    wire.open.set()
    await publisher.close()


async def test_a_full_journal_drops_counts_and_reports(wire, start):
    wire.failing = True
    publisher = start(max_bytes=200)
    publisher.publish("t", b"k", b"first")
    await asyncio.sleep(0)
    publisher.publish("t", b"k", b"x" * 500)
    await asyncio.sleep(0)
    assert {"journal_full": 1, "disk": 0, "too_large": 0} == publisher.dropped
    assert "journal full, 1 events dropped" == await publisher.check()
    with pytest.raises(PublishError):
        await publisher.publish_durably("t", b"k", b"x" * 500)
    wire.failing = False
    await eventually(lambda: wire.values() == [b"first"])
    publisher.publish("t", b"k", b"room")
    await eventually(lambda: b"room" in wire.values())
    assert await publisher.check() is None
    await publisher.close()


async def test_a_disk_that_refuses_for_a_moment_loses_nothing(wire, start, monkeypatch):
    publisher, write = start(), os.write

    def refuse(_descriptor, _data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", refuse)
    publisher.publish("t", b"k", b"patient")
    await asyncio.sleep(0)
    assert "the disk does not take events" == await publisher.check()
    monkeypatch.setattr(os, "write", write)
    await eventually(lambda: wire.values() == [b"patient"])
    assert {"journal_full": 0, "disk": 0, "too_large": 0} == publisher.dropped
    await publisher.close()


async def test_an_event_beyond_the_limit_is_dropped_and_counted(wire, start):
    publisher = start()
    publisher.publish("t", b"k", b"x" * 1001)
    with pytest.raises(PublishError):
        await publisher.publish_durably("t", b"k", b"x" * 1001)
    assert 2 == publisher.dropped["too_large"]
    await publisher.close()
    assert [] == wire.values()


async def test_an_event_that_the_broker_never_takes_is_set_aside_and_the_rest_go_on(wire, start, tmp_path):
    publisher = start(linger_s=0.01)
    for value in (b"before", b"huge", b"after"):
        publisher.publish("t", b"k", value)
    await eventually(lambda: wire.values() == [b"before", b"after"])
    await eventually(lambda: publisher.delivery.refused == 1)
    assert b"huge" in (publisher.journal.directory / "refused").read_bytes()
    await publisher.close()


async def test_a_broker_that_does_not_answer_is_reported_and_waited_for(wire, start, monkeypatch):
    monkeypatch.setattr("libs.kafka.delivery.STALL_S", 0.01)
    wire.open.clear()
    publisher = start()
    publisher.publish("t", b"k", b"v")
    await eventually(lambda: publisher.delivery.outage)
    wire.open.set()
    await eventually(lambda: wire.values() == [b"v"])
    assert 1 == wire.calls
    await publisher.close()


async def test_closing_delivers_what_is_left(wire, start):
    publisher = start(linger_s=0.2, close_timeout_s=5.0)
    publisher.publish("t", b"k", b"last")
    await publisher.close()
    assert [b"last"] == wire.values()


async def test_closing_without_a_broker_keeps_the_events_for_the_next_life(wire, start):
    wire.failing = True
    first = start()
    first.publish("t", b"k", b"kept")
    await first.close()
    wire.failing = False
    second = start()
    await eventually(lambda: wire.values() == [b"kept"])
    await second.close()


async def test_an_event_after_closing_is_dropped_and_counted(start):
    publisher = start()
    await publisher.close()
    publisher.publish("t", b"k", b"late")
    await asyncio.sleep(0)
    assert 1 == publisher.dropped["disk"]
    with pytest.raises(PublishError):
        await publisher.publish_durably("t", b"k", b"later")
    assert 2 == publisher.dropped["disk"]
