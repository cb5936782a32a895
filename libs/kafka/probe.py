"""A look at single places of the log that leaves every consumer's position alone."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import ConsumerStoppedError, KafkaError

from libs.kafka.record import Record
from libs.kafka.settings import KafkaSettings

READ_TIMEOUT_S = 5.0
POLL_MS = 50


class Probe:
    """Asks about places over a connection of its own, made on first use; `TimeoutError` when the broker does not answer."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._consumer: AIOKafkaConsumer | None = None
        self._reading = asyncio.Lock()

    async def end_offsets(self, topics: Iterable[str], partition: int) -> dict[str, int]:
        """Return the offset of the next record, per topic."""
        places = [TopicPartition(topic, partition) for topic in topics]
        async with self._asking() as consumer:
            return {place.topic: end for place, end in (await _ends(consumer, places)).items()}

    async def read_one(self, topic: str, partition: int, offset: int) -> Record | None:
        """Return the record at *offset*, or None when the log does not hold it."""
        place = TopicPartition(topic, partition)
        async with self._asking() as consumer:
            begins, ends = await consumer.beginning_offsets([place]), await _ends(consumer, [place])
            if not begins[place] <= offset < ends[place]:
                return None
            consumer.seek(place, offset)
            found: list[Any] = []
            while not found:
                fetched = await consumer.getmany(place, timeout_ms=POLL_MS, max_records=1)
                found = fetched.get(place, [])
        # Compaction leaves gaps: what stands at a gap is the next record.
        return record_of(found[0]) if found[0].offset == offset else None

    async def close(self) -> None:
        """Close the connection, if any."""
        if self._consumer is not None:
            await self._consumer.stop()
            self._consumer = None

    @asynccontextmanager
    async def _asking(self) -> AsyncIterator[AIOKafkaConsumer]:
        try:
            async with self._reading, asyncio.timeout(READ_TIMEOUT_S):
                yield await self._connected()
        except ConsumerStoppedError as error:
            # A service that stops closes its probe while its watch may still be asking.
            raise TimeoutError("closed while it was asking") from error
        except KafkaError as error:
            # A broker that refuses connections, or is about to go, answers as little as one that is silent.
            if not error.retriable:
                raise
            raise TimeoutError(str(error)) from error

    async def _connected(self) -> AIOKafkaConsumer:
        if self._consumer is None:
            consumer = AIOKafkaConsumer(
                enable_auto_commit=False, fetch_max_wait_ms=POLL_MS, **self._settings.connection()
            )
            try:
                await consumer.start()
            except BaseException:
                await consumer.stop()
                raise
            self._consumer = consumer
        return self._consumer


async def _ends(consumer: AIOKafkaConsumer, places: list[TopicPartition]) -> dict[TopicPartition, int]:
    # The embedded broker lists the beginning of the last batch plus one; what comes with a fetch is right everywhere.
    listed = await consumer.end_offsets(places)
    consumer.assign(places)
    for place in places:
        consumer.seek(place, listed[place])
    while any(consumer.highwater(place) is None for place in places):
        await consumer.getmany(timeout_ms=POLL_MS)
    return {place: int(consumer.highwater(place)) for place in places}


def record_of(raw: Any) -> Record:
    """Return the client library's record as ours; an absent key or value (a tombstone) is empty."""
    return Record(
        topic=raw.topic,
        partition=raw.partition,
        offset=raw.offset,
        key=raw.key or b"",
        value=raw.value or b"",
        timestamp_ms=raw.timestamp,
        headers=tuple(raw.headers),
    )
