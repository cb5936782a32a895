"""When weights are published: ratings at once, other observations now and then, what a crash left over soon."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from math import ceil

import msgspec
import structlog

from services.aggregator.domain.change import COUNTERS, Change
from services.aggregator.domain.publication import Knowledge
from services.aggregator.metrics import PublicationMetrics
from services.aggregator.ports import Benchmarks, LearningState, MarkKind, PoolStore
from services.aggregator.publisher import ContendedError, WeightsPublisher

log = structlog.get_logger(__name__)

ALIVE_FOR = 4  # Turns of `observe_s` that an owner may miss before it counts as gone.
KINDS: tuple[MarkKind, ...] = ("dirty", "stale")


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """
    How often the schedule acts, in seconds.

    A rating waits *gather_s* for others; changes without a rating wait up to *observe_s*; *poll_s* is how soon the marks of
    a process that died are found; *pool_age_s* how old the pool may be.
    """

    gather_s: float = 0.05
    observe_s: float = 5.0
    poll_s: float = 1.0
    pool_age_s: float = 3.0
    concurrency: int = 8


class PublicationSchedule:
    """Publishes what the partitions in *owned* have marked; a mark goes only after the weights that contain it are out."""

    def __init__(
        self,
        state: LearningState,
        pool: PoolStore,
        publisher: WeightsPublisher,
        knowledge: Knowledge,
        metrics: PublicationMetrics,
        *,
        benchmarks: Benchmarks,
        owned: Callable[[], Iterable[int]],
        clock_ms: Callable[[], int],
        pace: Pace,
    ) -> None:
        self._state = state
        self._pool = pool
        self._publisher = publisher
        self._knowledge = knowledge
        self._benchmarks = benchmarks
        self._metrics = metrics
        self._owned = owned
        self._clock_ms = clock_ms
        self._pace = pace
        self._wake = asyncio.Event()
        self._rated_at_ms: dict[str, int] = {}
        self._observe_at_ms = 0
        self._pool_at_ms = 0

    def applied(self, partition: int, change: Change) -> None:
        """Wake up for new evidence; *partition* is already marked."""
        del partition
        if not change.rated:
            return
        if change.rated_at_ms is not None:
            for tenant, _ in change.rated:
                self._rated_at_ms[tenant] = min(change.rated_at_ms, self._rated_at_ms.get(tenant, change.rated_at_ms))
        self._wake.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Publish until *stop* is set, and once more for what came last."""
        while not stop.is_set():
            if await self._woken():
                await asyncio.sleep(self._pace.gather_s)
            await self.publish_due()
        await self.publish_due()

    async def publish_due(self) -> None:
        """Publish the tenants with new evidence, and when it is time also those that were only observed."""
        now_ms = self._clock_ms()
        everybody = now_ms >= self._observe_at_ms
        if everybody:
            self._observe_at_ms = now_ms + int(self._pace.observe_s * 1000)
            await self._state.keep_alive(tuple(self._owned()), ttl_s=ceil(ALIVE_FOR * self._pace.observe_s))
        marks = {(p, kind): await self._state.marks(p, kind) for p in tuple(self._owned()) for kind in KINDS}
        tenants = _tenants(marks, KINDS if everybody else ("dirty",))
        if tenants:
            await self._publish(tenants, marks, now_ms)

    async def _publish(
        self, tenants: set[str], marks: Mapping[tuple[int, MarkKind], Mapping[str, bytes]], now_ms: int
    ) -> None:
        knowledge = await self._current_knowledge(now_ms)
        limit = asyncio.Semaphore(self._pace.concurrency)

        async def publish(tenant: str) -> bool:
            async with limit:
                return await self._publish_tenant(tenant, _tasks(tenant, marks), knowledge)

        ordered = sorted(tenants)
        done = {t for t, ok in zip(ordered, await asyncio.gather(*map(publish, ordered)), strict=True) if ok}
        for (partition, kind), fields in marks.items():
            await self._state.settle(partition, kind, {f: v for f, v in fields.items() if f.partition(" ")[0] in done})

    async def _publish_tenant(self, tenant: str, tasks: set[str], knowledge: Knowledge) -> bool:
        rated_at_ms = self._rated_at_ms.pop(tenant, None)
        try:
            await self._publisher.publish_tenant(tenant, tasks, knowledge)
        except ContendedError:
            log.warning("weights.contended", tenant=tenant)
            return False
        if rated_at_ms is not None:
            self._metrics.latency.observe(max(0, self._clock_ms() - rated_at_ms) / 1000)
        return True

    async def _current_knowledge(self, now_ms: int) -> Knowledge:
        if now_ms >= self._pool_at_ms:
            self._pool_at_ms = now_ms + int(self._pace.pool_age_s * 1000)
            pool, priors = (await self._pool.read()).pool, await self._benchmarks.in_force()
            self._knowledge = msgspec.structs.replace(self._knowledge, pool=pool, priors=priors)
        return self._knowledge

    async def _woken(self) -> bool:
        try:
            await asyncio.wait_for(self._wake.wait(), self._pace.poll_s)
        except TimeoutError:
            return False
        self._wake.clear()
        return True


def _tenants(marks: Mapping[tuple[int, MarkKind], Mapping[str, bytes]], kinds: Iterable[MarkKind]) -> set[str]:
    wanted = set(kinds)
    return {field.partition(" ")[0] for (_, kind), fields in marks.items() if kind in wanted for field in fields}


def _tasks(tenant: str, marks: Mapping[tuple[int, MarkKind], Mapping[str, bytes]]) -> set[str]:
    named = (field.partition(" ") for fields in marks.values() for field in fields)
    return {task for name, _, task in named if name == tenant and task != COUNTERS}
