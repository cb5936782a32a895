"""Creating topics: from the table, at start, as often as one likes."""

import asyncio
from collections.abc import Iterable
from typing import Protocol

import structlog
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaConnectionError, TopicAlreadyExistsError, for_code

from libs.kafka.settings import KafkaSettings

log = structlog.get_logger(__name__)

DLQ_RETENTION_MS = 30 * 86_400_000
_OVERHEAD_BYTES = 65_536


class TopicError(Exception):
    """A topic cannot be created, or is not as the table says; the message names it."""


class TopicSpec(Protocol):
    """A row of the topic table."""

    @property
    def name(self) -> str:
        """Return the topic's name."""

    @property
    def dlq(self) -> str:
        """Return the name of its dead-letter topic."""

    @property
    def partitions(self) -> int:
        """Return its number of partitions."""

    @property
    def retention_ms(self) -> int | None:
        """Return how long records are kept; None compacts instead."""


async def ensure_topics(settings: KafkaSettings, topics: Iterable[TopicSpec], *, timeout_s: float = 30.0) -> None:
    """
    Create what is missing of *topics* and their dead-letter topics, waiting up to *timeout_s* for the broker.

    Raises `TopicError` naming the topic that cannot be created or has another number of partitions than the table says.
    """
    table = list(topics)
    async with asyncio.timeout(timeout_s):
        admin = await _connect(settings)
        try:
            existing = set(await admin.list_topics())
            wanted = [new for topic in table for new in _new_topics(topic, settings)]
            await _create(admin, [new for new in wanted if new.name not in existing])
            await _verify(admin, table)
        finally:
            await admin.close()


async def partition_counts(settings: KafkaSettings, names: Iterable[str], *, timeout_s: float = 30.0) -> dict[str, int]:
    """Return the number of partitions of each topic, waiting up to *timeout_s* for those that are yet to be created."""
    async with asyncio.timeout(timeout_s):
        admin = await _connect(settings)
        try:
            return await _describe(admin, set(names))
        finally:
            await admin.close()


async def _connect(settings: KafkaSettings) -> AIOKafkaAdminClient:
    while True:
        admin = AIOKafkaAdminClient(**settings.connection())
        try:
            await admin.start()
        except (KafkaConnectionError, OSError) as error:
            log.warning("kafka.away", reason=str(error))
            await admin.close()
            await asyncio.sleep(0.5)
        else:
            return admin


def _new_topics(topic: TopicSpec, settings: KafkaSettings) -> list[NewTopic]:
    configs = {"max.message.bytes": str(settings.max_message_bytes + _OVERHEAD_BYTES)}
    policy = {"cleanup.policy": "compact"}
    if topic.retention_ms is not None:
        policy = {"cleanup.policy": "delete", "retention.ms": str(topic.retention_ms)}
    dlq_policy = {"cleanup.policy": "delete", "retention.ms": str(DLQ_RETENTION_MS)}
    return [
        NewTopic(topic.name, topic.partitions, settings.replication, topic_configs=configs | policy),
        NewTopic(topic.dlq, topic.partitions, settings.replication, topic_configs=configs | dlq_policy),
    ]


async def _create(admin: AIOKafkaAdminClient, missing: list[NewTopic]) -> None:
    if not missing:
        return
    response = await admin.create_topics(missing)
    for name, code, *_ in response.topic_errors:
        if code and for_code(code) is not TopicAlreadyExistsError:
            raise TopicError(f"topic {name} cannot be created: {for_code(code).__name__}")
    log.info("topics.created", topics=[new.name for new in missing])


async def _verify(admin: AIOKafkaAdminClient, table: list[TopicSpec]) -> None:
    wanted = {name: topic.partitions for topic in table for name in (topic.name, topic.dlq)}
    for name, found in (await _describe(admin, set(wanted))).items():
        if found != wanted[name]:
            raise TopicError(f"topic {name} has {found} partitions, the table says {wanted[name]}")


async def _describe(admin: AIOKafkaAdminClient, names: set[str]) -> dict[str, int]:
    counts: dict[str, int] = {}
    while missing := names - counts.keys():
        # The embedded broker invents a topic that somebody asks about: only those that exist are asked about.
        if existing := missing & set(await admin.list_topics()):
            for description in await admin.describe_topics(sorted(existing)):
                if not description["error_code"] and description["partitions"]:
                    counts[description["topic"]] = len(description["partitions"])
        if len(counts) < len(names):
            await asyncio.sleep(0.1)
    return counts
