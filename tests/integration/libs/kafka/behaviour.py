"""How every broker behaves under the consumer loop and the journaled publisher: the same suite on the fake and on real ones."""

import asyncio
from pathlib import Path

import pytest

from libs.kafka.consumer import ExternalOffsets
from libs.kafka.dead_letters import DeadLetterTopics
from libs.kafka.ports import SendError
from libs.kafka.publisher import JournaledPublisher
from libs.kafka.record import InvalidRecordError, Record
from libs.kafka.settings import JournalSettings
from tests.integration.libs.kafka.worlds import (
    Collector,
    HandlerFailedError,
    World,
    by_key,
    consuming,
    eventually,
    message,
)

KEYS = [f"tenant:session-{number}" for number in range(20)]


def refuse_bad(record: Record) -> Record:
    if record.value.startswith(b"bad"):
        raise InvalidRecordError("it says so")
    return record


class BrokerBehaviour:
    """Inherited by a test class with a fixture `world`."""

    async def test_records_of_a_key_arrive_in_the_order_they_were_sent(self, world: World) -> None:
        topic = world.topic("requests")
        await world.create(topic)
        sent = [message(topic, KEYS[number % len(KEYS)], f"{number}") for number in range(500)]
        await world.sender.send(sent[:250])
        await world.sender.send(sent[250:])
        collector = Collector()
        async with consuming(world, world.source(topic, group="order"), collector):
            await eventually(lambda: len(collector.records) == len(sent))
        expected: dict[bytes, list[bytes]] = {}
        for one in sent:
            expected.setdefault(one.key, []).append(one.value)
        assert expected == by_key(collector.records)
        assert {one.timestamp_ms for one in sent} == {record.timestamp_ms for record in collector.records}

    async def test_a_key_is_on_the_same_partition_of_every_topic(self, world: World) -> None:
        topics = [world.topic("requests"), world.topic("feedback")]
        await world.create(*topics)
        await world.sender.send([message(topic, key, "x") for topic in topics for key in KEYS])
        collector = Collector()
        async with consuming(world, world.source(*topics, group="meet"), collector):
            await eventually(lambda: len(collector.records) == 2 * len(KEYS))
        placed = {(record.key, record.partition) for record in collector.records}
        assert len(KEYS) == len(placed)
        assert all({record.partition for record in batch.records} == {batch.partition} for batch in collector.batches)

    async def test_a_record_that_cannot_be_decoded_is_dead_lettered_and_the_rest_go_on(self, world: World) -> None:
        topic = world.topic("feedback")
        await world.create(topic)
        await world.sender.send([message(topic, "k", value) for value in ("good-1", "bad", "good-2")])
        collector, dead = Collector(), Collector()
        async with consuming(world, world.source(topic, group="live"), collector, decode=refuse_bad):
            await eventually(lambda: len(collector.records) == 2)
        async with consuming(world, world.source(f"{topic}.dlq", group="dead"), dead):
            await eventually(lambda: dead.records)
        assert [b"good-1", b"good-2"] == collector.values
        [letter] = dead.records
        assert (b"k", b"bad") == (letter.key, letter.value)
        headers = dict(letter.headers)
        assert (b"it says so", topic.encode(), b"1") == (headers["reason"], headers["topic"], headers["offset"])

    async def test_a_failed_batch_is_delivered_again_to_the_next_life(self, world: World) -> None:
        topic = world.topic("feedback")
        await world.create(topic)
        await world.sender.send([message(topic, "k", f"{number}") for number in range(3)])
        failing, healthy = Collector(failures=1), Collector()
        async with consuming(world, world.source(topic, group="again"), failing) as first:
            with pytest.raises(HandlerFailedError):
                await asyncio.wait_for(first, 60)
        async with consuming(world, world.source(topic, group="again"), healthy):
            await eventually(lambda: len(healthy.records) == 3)
        assert ([], [b"0", b"1", b"2"]) == (failing.values, healthy.values)

    async def test_the_group_remembers_what_was_handled(self, world: World) -> None:
        topic = world.topic("feedback")
        await world.create(topic)
        await world.sender.send([message(topic, "k", "before")])
        first, second = Collector(), Collector()
        async with consuming(world, world.source(topic, group="memory"), first):
            await eventually(lambda: first.records)
        await world.sender.send([message(topic, "k", "after")])
        async with consuming(world, world.source(topic, group="memory"), second):
            await eventually(lambda: second.records)
        assert ([b"before"], [b"after"]) == (first.values, second.values)

    async def test_a_handler_that_keeps_its_own_offsets_is_resumed_from_them(self, world: World) -> None:
        topic = world.topic("requests")
        await world.create(topic)
        await world.sender.send([message(topic, "k", f"{number}") for number in range(5)])
        collector = Collector()

        async def positions(_partition: int, topics: tuple[str, ...]) -> dict[str, int]:
            return dict.fromkeys(topics, 3)

        source = world.source(topic, group="external")
        async with consuming(world, source, collector, progress=ExternalOffsets(positions)):
            await eventually(lambda: len(collector.records) == 2)
        assert [b"3", b"4"] == collector.values
        assert ({topic: 3}, {topic: 5}) == (collector.batches[0].start_offsets, collector.batches[-1].next_offsets)

    async def test_a_dead_letter_topic_that_cannot_be_written_stops_the_consumer(self, world: World) -> None:
        topic = world.topic("feedback")
        await world.create(topic)
        await world.sender.send([message(topic, "k", "bad")])
        collector = Collector()
        source = world.source(topic, group="stuck")
        dead_letters = DeadLetterTopics(BrokenSender())
        with pytest.raises(SendError):
            async with consuming(world, source, collector, decode=refuse_bad, dead_letters=dead_letters) as task:
                await asyncio.wait_for(task, 60)
        async with consuming(world, world.source(topic, group="stuck"), collector):
            await eventually(lambda: collector.records)
        assert [b"bad"] == collector.values

    async def test_shards_share_the_partitions_without_joining_anybody(self, world: World) -> None:
        topic = world.topic("requests")
        await world.create(topic)
        await world.sender.send([message(topic, key, "x") for key in KEYS])
        even, odd = Collector(), Collector()
        async with (
            consuming(world, world.source(topic, group="shards", shard="0/2"), even),
            consuming(world, world.source(topic, group="shards", shard="1/2"), odd),
        ):
            await eventually(lambda: len(even.records) + len(odd.records) == len(KEYS))
        assert {0} == {record.partition % 2 for record in even.records}
        assert {1} == {record.partition % 2 for record in odd.records}

    async def test_members_of_a_group_share_the_partitions_and_one_takes_over(self, world: World) -> None:
        topic = world.topic("requests")
        await world.create(topic)
        first, second, owned = Collector(), Collector(), Owned()
        async with consuming(world, world.source(topic, group="members", shard=""), first, ownership=owned):
            await eventually(lambda: len(owned.partitions) == 4)
            other = Owned()
            async with consuming(world, world.source(topic, group="members", shard=""), second, ownership=other):
                await eventually(lambda: len(owned.partitions) == len(other.partitions) == 2)
                assert not owned.partitions & other.partitions
                await world.sender.send([message(topic, key, "shared") for key in KEYS])
                await eventually(lambda: len(first.records) + len(second.records) >= len(KEYS))
            await eventually(lambda: len(owned.partitions) == 4)
            await world.sender.send([message(topic, key, "alone") for key in KEYS])
            await eventually(lambda: len([value for value in first.values if value == b"alone"]) >= len(KEYS))
        assert {*by_key(first.records + second.records)} == {key.encode() for key in KEYS}

    async def test_the_log_can_be_looked_at_without_moving(self, world: World) -> None:
        topic = world.topic("requests")
        await world.create(topic)
        await world.sender.send([message(topic, "k", f"{number}") for number in range(3)])
        source, collector = world.source(topic, group="look"), Collector()
        async with consuming(world, source, collector):
            await eventually(lambda: len(collector.records) == 3)
            partition = collector.records[0].partition
            assert {topic: 0} == await source.beginning_offsets(partition)
            assert {topic: 3} == await source.end_offsets(partition)
            found = await source.read_one(topic, partition, 1)
            assert found is not None
            assert b"1" == found.value
            assert await source.read_one(topic, partition, 3) is None
        assert 3 == len(collector.records)

    async def test_events_published_in_an_outage_arrive_after_it_in_order(self, world: World, tmp_path: Path) -> None:
        topic = world.topic("requests")
        await world.create(topic)
        publisher = JournaledPublisher(world.sender, JournalSettings(directory=tmp_path))
        publisher.publish(topic, b"k", b"before")
        await eventually(lambda: publisher.delivery.delivered == 1)
        await world.stop_broker()
        for number in range(50):
            publisher.publish(topic, b"k", f"{number}".encode())
        await asyncio.wait_for(publisher.publish_durably(topic, b"k", b"durable"), 10)
        await eventually(lambda: publisher.delivery.outage)
        assert "kafka is away" in str(await publisher.check())
        await world.start_broker()
        await eventually(lambda: publisher.delivery.delivered == 52)
        assert await publisher.check() is None
        await publisher.close()
        if not world.durable:
            pytest.skip("delivered; but this broker forgets topics when it stops, and acknowledges what it cannot keep")
        collector = Collector()
        async with consuming(world, world.source(topic, group="outage"), collector):
            await eventually(lambda: b"durable" in collector.values)
        expected = [b"before", *(f"{number}".encode() for number in range(50)), b"durable"]
        assert expected == list(dict.fromkeys(collector.values))


class BrokenSender:
    """A sender whose broker never answers."""

    async def send(self, messages: object) -> None:
        raise SendError("no answer")


class Owned:
    """Remembers which partitions a consumer owns."""

    def __init__(self) -> None:
        self.partitions: frozenset[int] = frozenset()

    async def on_assigned(self, partitions: frozenset[int]) -> None:
        self.partitions |= partitions

    async def on_revoked(self, partitions: frozenset[int]) -> None:
        self.partitions -= partitions
