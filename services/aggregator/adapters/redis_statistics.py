"""The sums of all partitions, read together."""

from collections.abc import Sequence

from redis.asyncio import Redis

from services.aggregator.adapters.redis_learning import counters_key, index_key, statistics_key
from services.aggregator.domain import measures
from services.aggregator.domain.change import TaskKey
from services.aggregator.domain.measures import TenantStatistics


class RedisStatistics:
    """Implements `Statistics` over *partitions* partitions."""

    def __init__(self, redis: Redis, *, partitions: int) -> None:
        self._redis = redis
        self._partitions = range(partitions)

    async def of_tenant(self, tenant: str, tasks: Sequence[str]) -> TenantStatistics:
        """Read counters and sums in one round trip."""
        async with self._redis.pipeline(transaction=False) as pipeline:
            for partition in self._partitions:
                pipeline.hgetall(counters_key(partition, tenant))
            for task in tasks:
                for partition in self._partitions:
                    pipeline.hgetall(statistics_key(partition, (tenant, task)))
            answers = [_integers(answer) for answer in await pipeline.execute()]
        width = len(self._partitions)
        counters = measures.total(answers[:width])
        return TenantStatistics(
            requests=counters.get(measures.REQUESTS, 0),
            rated_sessions=counters.get(measures.RATED_SESSIONS, 0),
            tasks={
                task: measures.parse(task, measures.total(answers[(rank + 1) * width : (rank + 2) * width]))
                for rank, task in enumerate(tasks)
            },
        )

    async def index(self) -> frozenset[TaskKey]:
        """Read every partition's index."""
        async with self._redis.pipeline(transaction=False) as pipeline:
            for partition in self._partitions:
                pipeline.smembers(index_key(partition))
            answers = await pipeline.execute()
        return frozenset(_task_key(member) for members in answers for member in members)


def _integers(fields: dict[bytes, bytes]) -> dict[str, int]:
    return {field.decode(): int(value) for field, value in fields.items()}


def _task_key(member: bytes) -> TaskKey:
    tenant, _, task = member.decode().partition(" ")
    return tenant, task
