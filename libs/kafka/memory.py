"""A broker in memory: partitions, groups, committed offsets and outages as Kafka has them, for unit tests."""

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence

from libs.kafka.partitioning import partition_of, range_partitions, shard_partitions
from libs.kafka.ports import AssignmentListener, SendError
from libs.kafka.record import Message, Record

Place = tuple[str, int]


class MemoryBroker:
    """
    Topics of *partitions* partitions each, created on first use.

    `down` makes it unreachable: sends raise `SendError`, polls return nothing.
    """

    def __init__(self, *, partitions: int = 4) -> None:
        self.partitions = partitions
        self.down = False
        self.committed: dict[tuple[str, str, int], int] = {}
        self.owners: dict[tuple[str, int], MemorySource] = {}
        self.members: dict[str, list[MemorySource]] = {}
        self._logs: dict[Place, list[Record]] = {}
        self._begins: dict[Place, int] = {}
        self._arrival = asyncio.Event()

    def append(self, message: Message) -> Record:
        """Store *message* and return it as a record."""
        partition = partition_of(message.key, self.partitions)
        log = self._logs.setdefault((message.topic, partition), [])
        record = Record(
            topic=message.topic,
            partition=partition,
            offset=self.end(message.topic, partition),
            key=message.key,
            value=message.value,
            timestamp_ms=message.timestamp_ms,
            headers=message.headers,
        )
        log.append(record)
        self._arrival.set()
        return record

    def put(self, topic: str, key: bytes, value: bytes) -> Record:
        """Store one event, stamped now."""
        return self.append(Message(topic=topic, key=key, value=value, timestamp_ms=_now_ms()))

    def records(self, topic: str) -> list[Record]:
        """Return everything that *topic* holds, partition by partition in order of offset."""
        return [record for place in self._places(topic) for record in self._logs[place]]

    def begin(self, topic: str, partition: int) -> int:
        """Return the first offset kept."""
        return self._begins.get((topic, partition), 0)

    def end(self, topic: str, partition: int) -> int:
        """Return the offset of the next record."""
        return self.begin(topic, partition) + len(self._logs.get((topic, partition), ()))

    def read(self, topic: str, partition: int, offset: int, limit: int) -> list[Record]:
        """Return up to *limit* records from *offset* (or the first kept, when that is later)."""
        start = max(0, offset - self.begin(topic, partition))
        return self._logs.get((topic, partition), [])[start : start + limit]

    def delete_before(self, topic: str, partition: int, offset: int) -> None:
        """Drop the records below *offset*, as retention does."""
        self._logs[topic, partition] = self.read(topic, partition, offset, len(self._logs[topic, partition]))
        self._begins[topic, partition] = offset

    def give_birth_again(self, topic: str) -> None:
        """Empty *topic* and count its offsets from zero, as a broker that lost its disk does."""
        for place in self._places(topic):
            self._logs.pop(place)
            self._begins.pop(place, None)

    async def wait_for_arrival(self, timeout_s: float) -> None:
        """Return when a record arrives, at the latest after *timeout_s*."""
        self._arrival.clear()
        try:
            await asyncio.wait_for(self._arrival.wait(), timeout_s)
        except TimeoutError:
            return

    def _places(self, topic: str) -> list[Place]:
        return sorted(place for place in self._logs if place[0] == topic)


class MemorySender:
    """Writes to a `MemoryBroker`."""

    def __init__(self, broker: MemoryBroker) -> None:
        self._broker = broker

    async def send(self, messages: Sequence[Message]) -> None:
        """Store *messages*, or raise `SendError` while the broker is down."""
        await asyncio.sleep(0)
        if self._broker.down:
            raise SendError("the broker is down")
        for message in messages:
            self._broker.append(message)


class MemoryPublisher:
    """Publishes to a `MemoryBroker` at once, without a journal."""

    def __init__(self, broker: MemoryBroker) -> None:
        self._broker = broker

    def publish(self, topic: str, key: bytes, value: bytes) -> None:
        """Store the event."""
        self._broker.put(topic, key, value)

    async def publish_durably(self, topic: str, key: bytes, value: bytes) -> None:
        """Store the event."""
        self._broker.put(topic, key, value)


class MemorySource:
    """Reads co-partitioned *topics*, as a member of *group*, or as *shard* `(index, shards)` that joins nobody."""

    def __init__(
        self, broker: MemoryBroker, topics: Iterable[str], *, group: str, shard: tuple[int, int] | None = None
    ) -> None:
        self._broker = broker
        self._topics = tuple(topics)
        self._group = group
        self._shard = shard
        self._owned: frozenset[int] = frozenset()
        self._positions: dict[Place, int] = {}
        self._listener: AssignmentListener | None = None

    @property
    def topics(self) -> tuple[str, ...]:
        """Return the topics read."""
        return self._topics

    async def start(self, listener: AssignmentListener) -> None:
        """Join."""
        self._listener = listener
        if self._shard is None:
            self._broker.members.setdefault(self._group, []).append(self)

    async def stop(self) -> None:
        """Leave."""
        if self._shard is None and self in self._broker.members.get(self._group, []):
            self._broker.members[self._group].remove(self)
        await self._revoke(self._owned)

    async def poll(self, *, max_records: int, timeout_s: float) -> Sequence[Record]:
        """Return what has arrived, after taking part in a rebalance that is due."""
        await self._rebalance()
        records = self._take(max_records)
        if not records:
            await self._broker.wait_for_arrival(timeout_s)
            records = self._take(max_records)
        return records

    def seek(self, topic: str, partition: int, offset: int) -> None:
        """Read from *offset* on."""
        self._positions[topic, partition] = offset

    async def position(self, topic: str, partition: int) -> int:
        """Return the offset of the next record."""
        return self._positions[topic, partition]

    async def commit(self, offsets: Mapping[Place, int]) -> None:
        """Keep *offsets* with the group."""
        for (topic, partition), offset in offsets.items():
            self._broker.committed[self._group, topic, partition] = offset

    async def beginning_offsets(self, partition: int) -> dict[str, int]:
        """Return the first offset kept, per topic."""
        return {topic: self._broker.begin(topic, partition) for topic in self._topics}

    async def end_offsets(self, partition: int) -> dict[str, int]:
        """Return the next offset, per topic."""
        return {topic: self._broker.end(topic, partition) for topic in self._topics}

    async def read_one(self, topic: str, partition: int, offset: int) -> Record | None:
        """Return the record at *offset*, or None."""
        found = self._broker.read(topic, partition, offset, 1)
        return found[0] if found and found[0].offset == offset else None

    def _take(self, max_records: int) -> list[Record]:
        if self._broker.down:
            return []
        taken: list[Record] = []
        for (topic, partition), position in self._positions.items():
            records = self._broker.read(topic, partition, position, max_records - len(taken))
            if records:
                self._positions[topic, partition] = records[-1].next_offset
                taken += records
        return taken

    async def _rebalance(self) -> None:
        wanted = self._wanted()
        await self._revoke(self._owned - wanted)
        free = frozenset(p for p in wanted - self._owned if self._owner(p) in (None, self))
        await self._assign(free)

    def _wanted(self) -> frozenset[int]:
        if self._shard is not None:
            return shard_partitions(*self._shard, self._broker.partitions)
        members = self._broker.members[self._group]
        return range_partitions(members.index(self), len(members), self._broker.partitions)

    def _owner(self, partition: int) -> "MemorySource | None":
        return self._broker.owners.get((self._group, partition))

    async def _assign(self, partitions: frozenset[int]) -> None:
        if not partitions or self._listener is None:
            return
        self._owned |= partitions
        for partition in partitions:
            self._broker.owners[self._group, partition] = self
            for topic in self._topics:
                begin = self._broker.begin(topic, partition)
                self._positions[topic, partition] = self._broker.committed.get((self._group, topic, partition), begin)
        await self._listener.on_assigned(partitions)

    async def _revoke(self, partitions: frozenset[int]) -> None:
        if not partitions or self._listener is None:
            return
        await self._listener.on_revoked(partitions)
        self._owned -= partitions
        for partition in partitions:
            self._broker.owners.pop((self._group, partition), None)
            for topic in self._topics:
                self._positions.pop((topic, partition), None)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
