"""Reading from Kafka: co-partitioned topics, as a member of a consumer group or as one shard of a fixed number."""

import asyncio
import math
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import CommitFailedError, KafkaConnectionError

from libs.kafka.partitioning import shard_partitions
from libs.kafka.ports import AssignmentListener
from libs.kafka.probe import Probe, record_of
from libs.kafka.record import Record
from libs.kafka.settings import KafkaSettings
from libs.kafka.topics_admin import partition_counts

log = structlog.get_logger(__name__)

RECONNECT_S = 1.0
# How long the broker may hold an answer to gather more: part of the latency from event to effect.
FETCH_WAIT_MS = 50
# A group's join is answered when all members have come: far later than an ordinary request.
JOIN_TIMEOUT_MS = 60_000


class PartitionsDifferError(Exception):
    """Topics that are read together have different numbers of partitions, so their keys do not meet."""


class KafkaSource:
    """
    A `Source` over *topics* for consumer group *group*.

    With `settings.shard` nobody is joined: partition p belongs to shard p mod n, and the group only keeps offsets. Without a
    kept offset a partition is read from its beginning.
    """

    def __init__(self, settings: KafkaSettings, topics: Iterable[str], *, group: str) -> None:
        self._settings = settings
        self._topics = tuple(topics)
        self._group = group
        self._consumer: AIOKafkaConsumer | None = None
        self._probe = Probe(settings)
        self._listener: AssignmentListener | None = None
        self._unannounced: frozenset[int] = frozenset()
        self._owned: frozenset[int] = frozenset()
        self._next: dict[TopicPartition, int] = {}
        # Held while a listener is told, so that a revocation does not overtake the assignment it takes back.
        self._telling = asyncio.Lock()
        self._failure: Exception | None = None

    @property
    def topics(self) -> tuple[str, ...]:
        """Return the topics read."""
        return self._topics

    async def start(self, listener: AssignmentListener) -> None:
        """Connect, again and again while the broker is away, and ask for partitions."""
        self._listener = listener
        self._consumer = await self._connect()
        count = await self._count_partitions()
        if self._settings.shard:
            mine = shard_partitions(*self._settings.parsed_shard(), count)
            self._consumer.assign(
                [TopicPartition(topic, partition) for topic in self._topics for partition in sorted(mine)]
            )
            self._hold_back(mine)
        else:
            self._consumer.subscribe(
                self._topics, listener=_Rebalance(on_revoked=self._on_revoked, on_assigned=self._hold_back)
            )

    async def stop(self) -> None:
        """Give the partitions back and leave."""
        await self._revoke(self._owned)
        if self._consumer is not None:
            await self._consumer.stop()
        await self._probe.close()

    async def poll(self, *, max_records: int, timeout_s: float) -> Sequence[Record]:
        """Return new records; announces new partitions first, and raises what a listener raised meanwhile."""
        if self._failure is not None:
            raise self._failure
        if self._unannounced:
            await self._announce()
        fetched = await self._active().getmany(timeout_ms=math.ceil(timeout_s * 1000), max_records=max_records)
        self._next |= {place: raws[-1].offset + 1 for place, raws in fetched.items()}
        return [record_of(raw) for raws in fetched.values() for raw in raws]

    def seek(self, topic: str, partition: int, offset: int) -> None:
        """Read an owned partition from *offset* on."""
        self._active().seek(TopicPartition(topic, partition), offset)

    async def position(self, topic: str, partition: int) -> int:
        """Return the offset of the next record."""
        return int(await self._active().position(TopicPartition(topic, partition)))

    async def commit(self, offsets: Mapping[tuple[str, int], int]) -> None:
        """Keep *offsets* with the group; a group that has moved on does not take them, and its next owner reads again."""
        try:
            await self._active().commit({TopicPartition(*place): offset for place, offset in offsets.items()})
        except CommitFailedError:
            # Who hangs for longer than a session finds a batch in hand that is no longer its own. The group has put the place
            # elsewhere or is about to, and tells so with the next poll: no reason to end the process.
            log.warning("commit.late", group=self._group, places=sorted(offsets))

    async def beginning_offsets(self, partition: int) -> dict[str, int]:
        """Return the first offset still kept, per topic."""
        begins = await self._active().beginning_offsets(self._places(frozenset({partition})))
        return {place.topic: offset for place, offset in begins.items()}

    async def end_offsets(self, partition: int) -> dict[str, int]:
        """Return the offset of the next record, per topic."""
        return await self._probe.end_offsets(self._topics, partition)

    async def read_one(self, topic: str, partition: int, offset: int) -> Record | None:
        """Return the record at *offset*, or None."""
        return await self._probe.read_one(topic, partition, offset)

    def lag(self) -> dict[tuple[str, int], int]:
        """Return by how many records we were behind the broker when it last answered, per partition read so far."""
        owned = self._active().assignment()
        highs = {place: self._active().highwater(place) or 0 for place in self._next.keys() & owned}
        return {(place.topic, place.partition): max(0, high - self._next[place]) for place, high in highs.items()}

    async def _connect(self) -> AIOKafkaConsumer:
        while True:
            consumer = self._new_consumer()
            try:
                await consumer.start()
            except (KafkaConnectionError, OSError) as error:
                log.warning("kafka.away", topics=self._topics, reason=str(error))
                await consumer.stop()
                await asyncio.sleep(RECONNECT_S)
            else:
                return consumer

    def _new_consumer(self) -> AIOKafkaConsumer:
        return AIOKafkaConsumer(
            group_id=self._group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            partition_assignment_strategy=[RangePartitionAssignor],
            fetch_max_wait_ms=FETCH_WAIT_MS,
            max_partition_fetch_bytes=max(1 << 20, self._settings.max_message_bytes),
            **self._settings.connection() | {"request_timeout_ms": JOIN_TIMEOUT_MS},
        )

    async def _count_partitions(self) -> int:
        counts = await partition_counts(self._settings, self._topics)
        if len(set(counts.values())) != 1:
            raise PartitionsDifferError(str(counts))
        return counts[self._topics[0]]

    def _hold_back(self, partitions: frozenset[int]) -> None:
        # Nothing is read before the listener has said from where: see `_announce`.
        self._active().pause(*self._places(partitions))
        self._unannounced |= partitions

    async def _announce(self) -> None:
        async with self._telling:
            new, self._unannounced = self._unannounced, frozenset()
            self._owned |= new
            if self._listener is not None and new:
                await self._listener.on_assigned(new)
            self._active().resume(*self._places(new))

    async def _revoke(self, partitions: frozenset[int]) -> None:
        async with self._telling:
            announced = self._owned & partitions
            self._owned -= partitions
            self._unannounced -= partitions
            if self._listener is not None and announced:
                await self._listener.on_revoked(announced)

    async def _on_revoked(self, partitions: frozenset[int]) -> None:
        # The client library would log what a listener raises and go on; the consumer must stop instead.
        try:
            await self._revoke(partitions)
        except Exception as error:
            self._failure = error
            raise

    def _places(self, partitions: frozenset[int]) -> list[TopicPartition]:
        return [TopicPartition(topic, partition) for topic in self._topics for partition in sorted(partitions)]

    def _active(self) -> AIOKafkaConsumer:
        if self._consumer is None:
            raise RuntimeError("the source was not started")
        return self._consumer


class _Rebalance(ConsumerRebalanceListener):  # type: ignore[misc] # the client library has no types
    """Passes the group's decisions on to the source."""

    def __init__(
        self, *, on_revoked: Callable[[frozenset[int]], Awaitable[None]], on_assigned: Callable[[frozenset[int]], None]
    ) -> None:
        self._on_revoked = on_revoked
        self._on_assigned = on_assigned

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        await self._on_revoked(frozenset(place.partition for place in revoked))

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        self._on_assigned(frozenset(place.partition for place in assigned))
