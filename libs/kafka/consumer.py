"""The loop every consumer runs: poll, decode, handle, note progress."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Generic, Protocol, TypeVar

import structlog

from libs.kafka.batches import Batch, Batcher, BatchLimits
from libs.kafka.ports import BatchHandler, DeadLetters, Progress, Source
from libs.kafka.record import InvalidRecordError, Record

log = structlog.get_logger(__name__)

E = TypeVar("E")
Positions = Callable[[int, tuple[str, ...]], Awaitable[Mapping[str, int]]]


class Ownership(Protocol):
    """What a service does when partition numbers come and go; nothing of them is in the middle of being handled."""

    async def on_assigned(self, partitions: frozenset[int]) -> None:
        """Prepare for *partitions*; called before the loop asks where to resume."""

    async def on_revoked(self, partitions: frozenset[int]) -> None:
        """Let go of *partitions*."""


class GroupOffsets:
    """Progress kept by Kafka with the consumer group, committed after each batch."""

    async def resume(self, source: Source, partitions: frozenset[int]) -> None:
        """Leave the source where the group's offsets put it."""

    async def done(self, source: Source, batch: Batch[Any]) -> None:
        """Commit the batch's next offsets."""
        await source.commit({(topic, batch.partition): offset for topic, offset in batch.next_offsets.items()})


class ExternalOffsets:
    """
    Progress kept by the handler itself, atomically with its effect.

    *positions* answers, for a partition number and the topics, the next offset per topic; a topic that it leaves out is
    read from its beginning.
    """

    def __init__(self, positions: Positions) -> None:
        self._positions = positions

    async def resume(self, source: Source, partitions: frozenset[int]) -> None:
        """Seek to where the handler's store says."""
        for partition in sorted(partitions):
            known = await self._positions(partition, source.topics)
            beginning = await source.beginning_offsets(partition) if len(known) < len(source.topics) else {}
            for topic in source.topics:
                source.seek(topic, partition, known[topic] if topic in known else beginning[topic])

    async def done(self, source: Source, batch: Batch[Any]) -> None:
        """Do nothing: the handler stored the offsets with the effect."""


def as_is(record: Record) -> Record:
    """Decode nothing: the event is the record."""
    return record


async def run(
    source: Source,
    handler: BatchHandler[E],
    dead_letters: DeadLetters,
    *,
    stop: asyncio.Event,
    decode: Callable[[Record], E],
    progress: Progress | None = None,
    limits: BatchLimits | None = None,
    ownership: Ownership | None = None,
) -> None:
    """
    Handle the records of *source* until *stop* is set.

    A record for which *decode* raises `InvalidRecordError` goes to its dead-letter topic. Any other exception, also one
    of the dead-letter topic, leaves progress where it is and rises: the process restarts and the records come again.
    The source is started and stopped here. *progress* defaults to `GroupOffsets`.
    """
    loop = _Loop(
        source=source,
        handler=handler,
        dead_letters=dead_letters,
        decode=decode,
        progress=progress or GroupOffsets(),
        limits=limits or BatchLimits(),
        ownership=ownership,
    )
    await source.start(loop)
    try:
        while not stop.is_set():
            await loop.turn()
    finally:
        await source.stop()


class _Loop(Generic[E]):
    """One consumer's state between polls; listens to the source's assignments."""

    def __init__(
        self,
        *,
        source: Source,
        handler: BatchHandler[E],
        dead_letters: DeadLetters,
        decode: Callable[[Record], E],
        progress: Progress,
        limits: BatchLimits,
        ownership: Ownership | None,
    ) -> None:
        self._source = source
        self._handler = handler
        self._dead_letters = dead_letters
        self._decode = decode
        self._progress = progress
        self._ownership = ownership
        self._batcher = Batcher(limits)
        self._max_poll_records = limits.max_records
        self._places: dict[int, dict[str, int]] = {}
        # Held while records are being handled, so that a revocation waits for the batch in hand to become durable.
        self._handling = asyncio.Lock()

    async def turn(self) -> None:
        clock = asyncio.get_running_loop().time
        timeout_s = self._batcher.wait_s(now_s=clock())
        records = await self._source.poll(max_records=self._max_poll_records, timeout_s=timeout_s)
        async with self._handling:
            self._batcher.add((record for record in records if record.partition in self._places), now_s=clock())
            for partition, ready in self._batcher.take(now_s=clock()):
                await self._process(partition, ready)

    async def on_assigned(self, partitions: frozenset[int]) -> None:
        log.info("consumer.assigned", topics=self._source.topics, partitions=sorted(partitions))
        if self._ownership is not None:
            await self._ownership.on_assigned(partitions)
        await self._progress.resume(self._source, partitions)
        for partition in partitions:
            positions = {topic: await self._source.position(topic, partition) for topic in self._source.topics}
            self._places[partition] = positions

    async def on_revoked(self, partitions: frozenset[int]) -> None:
        async with self._handling:
            log.info("consumer.revoked", topics=self._source.topics, partitions=sorted(partitions))
            self._batcher.forget(partitions)
            for partition in partitions:
                self._places.pop(partition, None)
            if self._ownership is not None:
                await self._ownership.on_revoked(partitions)

    async def _process(self, partition: int, records: list[Record]) -> None:
        start = self._places[partition]
        decoded = await self._decode_all(records)
        batch = Batch(
            partition=partition,
            records=tuple(record for record, _ in decoded),
            events=tuple(event for _, event in decoded),
            start_offsets=start,
            next_offsets=start | {record.topic: record.next_offset for record in records},
        )
        await self._handler.handle(batch)
        await self._progress.done(self._source, batch)
        self._places[partition] = dict(batch.next_offsets)

    async def _decode_all(self, records: list[Record]) -> list[tuple[Record, E]]:
        decoded = []
        for record in records:
            try:
                decoded.append((record, self._decode(record)))
            except InvalidRecordError as error:
                await self._dead_letters.put(record, reason=str(error))
                log.warning(
                    "record.dead_lettered",
                    topic=record.topic,
                    partition=record.partition,
                    offset=record.offset,
                    reason=str(error),
                )
        return decoded
