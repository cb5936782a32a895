"""The sums of all partitions, read together."""

from collections.abc import Sequence

from redis.asyncio import Redis

from services.aggregator.adapters.redis_learning import counters_key, index_key, statistics_key
from services.aggregator.domain import measures
from services.aggregator.domain.change import COUNTERS, TaskKey
from services.aggregator.domain.measures import TenantStatistics
from services.aggregator.ports import Sums


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
        return frozenset(key for key in await self._observed() if key[1] != COUNTERS)

    async def sums(self) -> Sums:
        """Read statistics and counters one by one."""
        found = {key: await self._total(key) for key in sorted(await self._observed())}
        return {key: fields for key, fields in found.items() if fields}

    async def _observed(self) -> frozenset[TaskKey]:
        async with self._redis.pipeline(transaction=False) as pipeline:
            for partition in self._partitions:
                pipeline.smembers(index_key(partition))
            answers = await pipeline.execute()
        return frozenset(_task_key(member) for members in answers for member in members)

    async def _total(self, key: TaskKey) -> dict[str, int]:
        async with self._redis.pipeline(transaction=False) as pipeline:
            for partition in self._partitions:
                pipeline.hgetall(
                    counters_key(partition, key[0]) if key[1] == COUNTERS else statistics_key(partition, key)
                )
            return measures.total(map(_integers, await pipeline.execute()))


def _integers(fields: dict[bytes, bytes]) -> dict[str, int]:
    return {field.decode(): int(value) for field, value in fields.items()}


def _task_key(member: bytes) -> TaskKey:
    tenant, _, task = member.decode().partition(" ")
    return tenant, task
