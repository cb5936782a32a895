"""Writing to Kafka: messages as record batches, one per partition and round trip, acknowledged by all replicas."""

import asyncio
from collections.abc import Iterator, Sequence

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    IllegalOperation,
    KafkaError,
    MessageSizeTooLargeError,
    OutOfOrderSequenceNumber,
    ProducerClosed,
    ProducerFenced,
    RecordTooLargeError,
)
from aiokafka.producer.message_accumulator import BatchBuilder

from libs.kafka.partitioning import partition_of
from libs.kafka.ports import MessageRefusedError, SendError
from libs.kafka.record import Message
from libs.kafka.settings import KafkaSettings
from libs.kafka.topics_admin import TopicSpec, ensure_topics

log = structlog.get_logger(__name__)

# Room for what a record batch adds to the messages in it.
OVERHEAD_BYTES = 4096
MAX_BATCH_BYTES = 1_000_000

# After these a producer refuses everything: an idempotent one whose sequence of batches has a hole, or a closed one.
FINAL_ERRORS = (OutOfOrderSequenceNumber, ProducerFenced, ProducerClosed, IllegalOperation)
CLOSE_TIMEOUT_S = 5.0

Batches = dict[tuple[str, int], BatchBuilder]


class KafkaSender:
    """
    A `Sender` that connects on first use, and anew when the client library gave up for good.

    It creates *topics* before its first message, and looks again after a failure: a broker that has to invent a topic gives
    it a number of partitions of its own, and the events of a key would no longer meet. Raises `TopicError` where a topic is
    not as *topics* say.

    Within one call a partition's messages go out in order, one batch at a time: a failed batch is never overtaken. A call
    does not time out: as long as a batch may still arrive nobody should send it again.
    """

    def __init__(self, settings: KafkaSettings, topics: Sequence[TopicSpec] = ()) -> None:
        self._settings = settings
        self._topics = topics
        self._topics_stand = not topics
        self._producer: AIOKafkaProducer | None = None
        self._sending = asyncio.Lock()

    async def send(self, messages: Sequence[Message]) -> None:
        """Return once the broker has acknowledged all *messages*; see `Sender`."""
        async with self._sending:
            try:
                await self._ensure_topics()
                producer = await self._connected()
                for batches in self._rounds(producer, messages, await _partitions(producer, messages)):
                    await _send_batches(producer, batches)
            except (MessageSizeTooLargeError, RecordTooLargeError) as error:
                raise MessageRefusedError(str(error)) from error
            except (KafkaError, OSError, TimeoutError) as error:
                self._topics_stand = not self._topics
                if isinstance(error, FINAL_ERRORS):
                    await self.close()
                raise SendError(f"{type(error).__name__}: {error}") from error

    async def close(self) -> None:
        """Close the connection; what is on its way has a few seconds to arrive."""
        producer, self._producer = self._producer, None
        if producer is None:
            return
        closing = asyncio.create_task(producer.stop())
        _, late = await asyncio.wait([closing], timeout=CLOSE_TIMEOUT_S)
        if late:
            # The client library waits for a broker that is away: its connections are closed under it.
            log.warning("kafka.given_up", after_s=CLOSE_TIMEOUT_S)
            closing.cancel()
            await producer.client.close()

    async def _ensure_topics(self) -> None:
        if not self._topics_stand:
            await ensure_topics(self._settings, self._topics, timeout_s=self._settings.request_timeout_s)
            self._topics_stand = True

    async def _connected(self) -> AIOKafkaProducer:
        if self._producer is None:
            self._producer = await self._connect()
        return self._producer

    async def _connect(self) -> AIOKafkaProducer:
        producer = AIOKafkaProducer(
            acks="all",
            enable_idempotence=self._settings.idempotent,
            compression_type=None if self._settings.compression == "none" else self._settings.compression,
            max_batch_size=self._batch_bytes,
            max_request_size=self._batch_bytes * 16,
            **self._settings.connection(),
        )
        try:
            async with asyncio.timeout(self._settings.request_timeout_s):
                await producer.start()
        except BaseException:
            await producer.stop()
            raise
        return producer

    @property
    def _batch_bytes(self) -> int:
        return max(MAX_BATCH_BYTES, self._settings.max_message_bytes) + OVERHEAD_BYTES

    def _rounds(
        self, producer: AIOKafkaProducer, messages: Sequence[Message], partitions: dict[str, int]
    ) -> Iterator[Batches]:
        batches: Batches = {}
        for message in messages:
            place = message.topic, partition_of(message.key, partitions[message.topic])
            builder = batches.get(place) or batches.setdefault(place, producer.create_batch())
            if not _append(builder, message):
                yield batches
                builder = producer.create_batch()
                batches = {place: builder}
                if not _append(builder, message):
                    raise MessageRefusedError(f"larger than a batch of {self._batch_bytes} bytes")
        if batches:
            yield batches


def _append(builder: BatchBuilder, message: Message) -> bool:
    appended = builder.append(
        timestamp=message.timestamp_ms, key=message.key, value=message.value, headers=list(message.headers)
    )
    return appended is not None


async def _partitions(producer: AIOKafkaProducer, messages: Sequence[Message]) -> dict[str, int]:
    return {topic: len(await producer.partitions_for(topic)) for topic in {message.topic for message in messages}}


async def _send_batches(producer: AIOKafkaProducer, batches: Batches) -> None:
    pending = [
        await producer.send_batch(builder, topic, partition=partition)
        for (topic, partition), builder in batches.items()
    ]
    # All are awaited before any failure rises, so that nothing is in flight when the caller sends again.
    outcomes = await asyncio.gather(*pending, return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome
