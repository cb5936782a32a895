"""Writing to Kafka: messages as record batches, one per partition and round trip, acknowledged by all replicas."""

import asyncio
from collections.abc import Iterator, Sequence

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError, RecordTooLargeError
from aiokafka.producer.message_accumulator import BatchBuilder

from libs.kafka.partitioning import partition_of
from libs.kafka.ports import MessageRefusedError, SendError
from libs.kafka.record import Message
from libs.kafka.settings import KafkaSettings

log = structlog.get_logger(__name__)

# Room for what a record batch adds to the messages in it.
OVERHEAD_BYTES = 4096
MAX_BATCH_BYTES = 1_000_000

Batches = dict[tuple[str, int], BatchBuilder]


class KafkaSender:
    """
    A `Sender` that connects on first use, and anew after a failure.

    Within one call a partition's messages go out in order, one batch at a time: a failed batch is never overtaken.
    """

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._producer: AIOKafkaProducer | None = None
        self._sending = asyncio.Lock()

    async def send(self, messages: Sequence[Message]) -> None:
        """Return once the broker has acknowledged all *messages*; see `Sender`."""
        async with self._sending:
            try:
                async with asyncio.timeout(self._settings.request_timeout_s * 2):
                    producer = await self._connected()
                    for batches in self._rounds(producer, messages, await _partitions(producer, messages)):
                        await _send_batches(producer, batches)
            except (MessageSizeTooLargeError, RecordTooLargeError) as error:
                raise MessageRefusedError(str(error)) from error
            except (KafkaError, OSError, TimeoutError) as error:
                await self._disconnect()
                raise SendError(f"{type(error).__name__}: {error}") from error

    async def close(self) -> None:
        """Give up what is being sent and close the connection."""
        await self._disconnect()

    async def _connected(self) -> AIOKafkaProducer:
        if self._producer is None:
            producer = AIOKafkaProducer(
                acks="all",
                enable_idempotence=self._settings.idempotent,
                compression_type=None if self._settings.compression == "none" else self._settings.compression,
                max_batch_size=self._batch_bytes,
                max_request_size=self._batch_bytes * 16,
                **self._settings.connection(),
            )
            try:
                await producer.start()
            except BaseException:
                await producer.stop()
                raise
            self._producer = producer
        return self._producer

    async def _disconnect(self) -> None:
        # An idempotent producer that lost a batch cannot go on, its sequence has a hole: a new one can. What it still holds
        # is failed first, since closing waits for it; once closed nothing is in flight that could arrive late.
        producer, self._producer = self._producer, None
        if producer is None:
            return
        producer._message_accumulator.fail_all(KafkaError("given up"))  # noqa: SLF001 - there is no public abort
        try:
            await producer.stop()
        except (KafkaError, OSError) as error:
            log.warning("kafka.close_failed", reason=f"{type(error).__name__}: {error}")

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
