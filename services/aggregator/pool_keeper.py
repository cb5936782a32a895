"""The keeper of the shared pool: one process at a time recomputes it, and refreshes the tenants that rest on it."""

import asyncio
from collections.abc import Callable, Iterable, Mapping

import msgspec
import structlog

from libs.contracts.state import TenantPolicy
from libs.routing.noised_tasks import Noise
from libs.routing.pool import Pool
from services.aggregator.domain.change import TaskKey
from services.aggregator.domain.measures import day_of
from services.aggregator.domain.publication import EVERY_TASK, Contribution, Knowledge, contribution, next_pool
from services.aggregator.metrics import PoolMetrics
from services.aggregator.ports import Benchmarks, LearningState, Marks, Policies, PoolStore, Statistics
from services.aggregator.publisher import ContendedError, WeightsPublisher

log = structlog.get_logger(__name__)


class KeeperPace(msgspec.Struct, frozen=True, kw_only=True):
    """How often the keeper acts, in seconds: pool *interval_s*, every tenant anew *refresh_s*, its lease *lease_s*."""

    interval_s: float = 3.0
    refresh_s: float = 600.0
    lease_s: float = 15.0


class PoolKeeper:
    """
    Recomputes the tasks of the pool that ratings, membership, a new day or another Day-0 table have made out of date.

    Charges come in with the ratings of their task, and all of them whenever every tenant is refreshed: what a request costs
    changes too slowly to be worth a mark for each. A tenant that stops contributing is out of the pool with the next
    recomputation, and a changed policy reaches the tenant's weights with the next turn. *partitions* is how many there are. With
    *noise* tasks are said as far as its budget goes, which is stored with them.
    """

    def __init__(
        self,
        *,
        state: LearningState,
        statistics: Statistics,
        store: PoolStore,
        policies: Policies,
        publisher: WeightsPublisher,
        knowledge: Knowledge,
        benchmarks: Benchmarks,
        metrics: PoolMetrics,
        partitions: int,
        token: str,
        clock_ms: Callable[[], int],
        pace: KeeperPace,
        noise: Noise | None = None,
    ) -> None:
        self._state = state
        self._statistics = statistics
        self._store = store
        self._policies = policies
        self._publisher = publisher
        self._knowledge = knowledge
        self._benchmarks = benchmarks
        self._partitions = range(partitions)
        self._token = token
        self._clock_ms = clock_ms
        self._pace = pace
        self._metrics = metrics
        self._noise = noise
        self._basis: tuple[int, frozenset[str]] | None = None
        self._known_policies: dict[str, TenantPolicy] = {}
        self._refresh_at_ms = 0

    async def run(self, stop: asyncio.Event) -> None:
        """Keep the pool until *stop* is set, whenever the lease is ours."""
        while not stop.is_set():
            if await self._store.lease(self._token, self._pace.lease_s):
                await self.keep()
            else:
                self._basis = None
            try:
                await asyncio.wait_for(stop.wait(), self._pace.interval_s)
            except TimeoutError:
                continue

    async def keep(self) -> None:
        """Recompute what is due, then refresh every tenant when it is time."""
        now_ms = self._clock_ms()
        await self._take_up_benchmarks()
        marks = {partition: await self._state.marks(partition, "pool") for partition in self._partitions}
        index = await self._statistics.index()
        policies = await self._policies.of_tenants(sorted({tenant for tenant, _ in index}))
        members = frozenset(tenant for tenant, policy in policies.items() if policy.contribute)
        basis = (day_of(now_ms), members)
        due = {task for fields in marks.values() for task in fields}
        if basis != self._basis or now_ms >= self._refresh_at_ms:
            due |= {task for _, task in index}
        if due and not await self._recompute(due, index, policies, now_ms):
            return
        self._basis = basis
        await self._settle(marks)
        await self._refresh(index, self._due_for_refresh(policies, now_ms))

    async def _take_up_benchmarks(self) -> None:
        """Make everything due where another Day-0 table has come into force."""
        priors = await self._benchmarks.in_force()
        if priors is not self._knowledge.priors:
            self._knowledge = msgspec.structs.replace(self._knowledge, priors=priors)
            self._basis, self._refresh_at_ms = None, 0
            log.info("benchmarks.taken_up", built_on=priors.built_on, families=len(priors.families))

    async def _recompute(
        self, due: set[str], index: frozenset[TaskKey], policies: Mapping[str, TenantPolicy], now_ms: int
    ) -> bool:
        read = await self._store.read()
        contributions: dict[str, dict[str, Contribution]] = {task: {} for task in due}
        for tenant, policy in policies.items():
            tasks = sorted(task for task in due if policy.contribute and (tenant, task) in index)
            found = await self._statistics.of_tenant(tenant, tasks) if tasks else None
            for task, statistics in (found.tasks if found else {}).items():
                contributions[task][tenant] = contribution(statistics, policy, day_of(now_ms))
        # Beside the loop: with many tenants it takes longer than a rating may wait.
        pool = await asyncio.to_thread(self._next_pool, read.pool, contributions, day_of(now_ms))
        if pool != read.pool and not await self._store.replace(read, pool):
            log.warning("pool.contended")
            return False
        self._knowledge = msgspec.structs.replace(self._knowledge, pool=pool)
        if self._noise is not None and pool.ledger:
            self._metrics.note(pool.ledger, self._noise.privacy.delta)
        return await self._published_pool()

    def _next_pool(self, pool: Pool, contributions: Mapping[str, Mapping[str, Contribution]], day: int) -> Pool:
        return next_pool(pool, contributions, self._knowledge.priors, self._knowledge.models, self._noise, day=day)

    async def _published_pool(self) -> bool:
        try:
            await self._publisher.publish_pool(self._knowledge)
        except ContendedError:
            log.warning("weights.contended", tenant="pool")
            return False
        return True

    async def _settle(self, marks: Mapping[int, Marks]) -> None:
        for partition, fields in marks.items():
            if fields:
                await self._state.settle(partition, "pool", fields)

    def _due_for_refresh(self, policies: dict[str, TenantPolicy], now_ms: int) -> list[str]:
        """Return the tenants whose policy changed since the last turn; all of them when it is time, and at first."""
        before, self._known_policies = self._known_policies, policies
        if now_ms < self._refresh_at_ms:
            return sorted(tenant for tenant, policy in policies.items() if before.get(tenant, policy) != policy)
        self._refresh_at_ms = now_ms + int(self._pace.refresh_s * 1000)
        return sorted(policies)

    async def _refresh(self, index: frozenset[TaskKey], tenants: Iterable[str]) -> None:
        for tenant in tenants:
            tasks = {*EVERY_TASK, *(task for name, task in index if name == tenant)}
            try:
                await self._publisher.publish_tenant(tenant, tasks, self._knowledge)
            except ContendedError:
                log.warning("weights.contended", tenant=tenant)
            await self._store.lease(self._token, self._pace.lease_s)
