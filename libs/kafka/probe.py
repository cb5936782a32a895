"""A look at single places of the log that leaves every consumer's position alone."""

import asyncio
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from libs.kafka.record import Record
from libs.kafka.settings import KafkaSettings

READ_TIMEOUT_MS = 5000


class Probe:
    """Reads one record at a time over a connection of its own, made on first use."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._consumer: AIOKafkaConsumer | None = None
        self._reading = asyncio.Lock()

    async def read_one(self, topic: str, partition: int, offset: int) -> Record | None:
        """Return the record at *offset*, or None when the log does not hold it."""
        place = TopicPartition(topic, partition)
        async with self._reading:
            consumer = await self._connected()
            begin, end = await consumer.beginning_offsets([place]), await consumer.end_offsets([place])
            if not begin[place] <= offset < end[place]:
                return None
            consumer.assign([place])
            consumer.seek(place, offset)
            fetched = await consumer.getmany(place, timeout_ms=READ_TIMEOUT_MS, max_records=1)
        found = [record_of(raw) for raw in fetched.get(place, ())]
        return found[0] if found and found[0].offset == offset else None

    async def close(self) -> None:
        """Close the connection, if any."""
        if self._consumer is not None:
            await self._consumer.stop()
            self._consumer = None

    async def _connected(self) -> AIOKafkaConsumer:
        if self._consumer is None:
            consumer = AIOKafkaConsumer(enable_auto_commit=False, **self._settings.connection())
            try:
                await consumer.start()
            except BaseException:
                await consumer.stop()
                raise
            self._consumer = consumer
        return self._consumer


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
