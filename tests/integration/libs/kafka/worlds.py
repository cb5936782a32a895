"""One way to reach a broker for every kind of broker, so that one suite says how all of them behave."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Protocol

import msgspec

from libs.kafka import consumer
from libs.kafka.batches import Batch
from libs.kafka.dead_letters import DeadLetterTopics
from libs.kafka.memory import MemoryBroker, MemorySender, MemorySource
from libs.kafka.ports import Sender, Source
from libs.kafka.record import Message, Record
from libs.kafka.sender import KafkaSender
from libs.kafka.settings import KafkaSettings
from libs.kafka.source import KafkaSource
from libs.kafka.topics_admin import ensure_topics
from tests.support.kafka import KafkaBackend

PARTITIONS = 4
DEADLINE_S = 60.0


class TestTopic(msgspec.Struct, frozen=True, kw_only=True):
    """A row of a topic table."""

    __test__ = False

    name: str
    partitions: int = PARTITIONS
    retention_ms: int | None = 3_600_000

    @property
    def dlq(self) -> str:
        return f"{self.name}.dlq"


class World(Protocol):
    """A broker, and how to connect to it; a `durable` one knows its records after a restart."""

    sender: Sender
    durable: bool

    def topic(self, name: str) -> str: ...

    async def create(self, *names: str) -> None: ...

    def source(self, *topics: str, group: str, shard: str = "0/1") -> Source: ...

    async def stop_broker(self) -> None: ...

    async def start_broker(self) -> None: ...


class MemoryWorld:
    """The fake."""

    def __init__(self) -> None:
        self.broker = MemoryBroker(partitions=PARTITIONS)
        self.sender = MemorySender(self.broker)
        self.durable = True

    def topic(self, name: str) -> str:
        return name

    async def create(self, *names: str) -> None:
        await asyncio.sleep(0)

    def source(self, *topics: str, group: str, shard: str = "0/1") -> Source:
        parsed = tuple(map(int, shard.split("/"))) if shard else None
        return MemorySource(self.broker, topics, group=group, shard=parsed)

    async def stop_broker(self) -> None:
        self.broker.down = True

    async def start_broker(self) -> None:
        self.broker.down = False


class KafkaWorld:
    """A real broker."""

    def __init__(self, backend: KafkaBackend) -> None:
        self.backend = backend
        self.settings = KafkaSettings(
            bootstrap=backend.bootstrap, idempotent=backend.idempotent, request_timeout_s=3.0, shard="0/1"
        )
        self.sender = KafkaSender(self.settings)
        self.durable = backend.durable

    def topic(self, name: str) -> str:
        return self.backend.prefix + name

    async def create(self, *names: str) -> None:
        await ensure_topics(self.settings, [TestTopic(name=name) for name in names])

    def source(self, *topics: str, group: str, shard: str = "0/1") -> Source:
        settings = msgspec.structs.replace(self.settings, shard=shard)
        return KafkaSource(settings, topics, group=self.backend.prefix + group)

    async def stop_broker(self) -> None:
        await asyncio.to_thread(self.backend.kill)

    async def start_broker(self) -> None:
        # Not in a thread of the loop: the broker would end with the thread that started it.
        self.backend.start()


class Collector:
    """A handler that remembers what it was given, and fails as often as it is told to."""

    def __init__(self, *, failures: int = 0) -> None:
        self.batches: list[Batch[Record]] = []
        self.failures = failures

    async def handle(self, batch: Batch[Record]) -> None:
        if self.failures:
            self.failures -= 1
            raise HandlerFailedError
        self.batches.append(batch)

    @property
    def records(self) -> list[Record]:
        return [record for batch in self.batches for record in batch.records]

    @property
    def values(self) -> list[bytes]:
        return [record.value for record in self.records]


class HandlerFailedError(Exception):
    """What a test's handler raises."""


def message(topic: str, key: str, value: str) -> Message:
    return Message(topic=topic, key=key.encode(), value=value.encode(), timestamp_ms=1_700_000_000_000)


@asynccontextmanager
async def consuming(world: World, source: Source, handler: Any, **options: Any) -> AsyncIterator[asyncio.Task[None]]:
    """Run a consumer until the block ends; what it raised rises here, unless the block awaited the task itself."""
    stop = asyncio.Event()
    dead_letters = options.pop("dead_letters", None) or DeadLetterTopics(world.sender)
    options.setdefault("decode", consumer.as_is)
    task = asyncio.create_task(consumer.run(source, handler, dead_letters, stop=stop, **options))
    try:
        yield task
    finally:
        stop.set()
        await asyncio.wait([task])
    if not task.cancelled() and task.exception() and not isinstance(task.exception(), HandlerFailedError):
        raise task.exception()


async def eventually(condition: Callable[[], object], *, timeout_s: float = DEADLINE_S) -> None:
    """Return as soon as *condition* holds; `TimeoutError` after *timeout_s*."""
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110 - conditions of many kinds, none of which has an event
            await asyncio.sleep(0.01)


def by_key(records: list[Record]) -> Mapping[bytes, list[bytes]]:
    grouped: dict[bytes, list[bytes]] = {}
    for record in records:
        grouped.setdefault(record.key, []).append(record.value)
    return grouped
