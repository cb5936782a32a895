"""Publication: marked statistics become weights in Redis, an announcement to gateways and an entry in the log of weights."""

from collections.abc import Awaitable, Callable, Iterable

import structlog

from libs.contracts.events import WeightsPublished
from libs.contracts.state import POOL, Changed
from libs.contracts.topics import WEIGHTS
from libs.kafka.ports import Publisher, PublishError
from services.aggregator.domain.measures import day_of
from services.aggregator.domain.publication import Edition, Knowledge, is_news, pool_weights, tasks_due, tenant_weights
from services.aggregator.metrics import PublicationMetrics
from services.aggregator.ports import Policies, Snapshot, Statistics, Weights

log = structlog.get_logger(__name__)

ATTEMPTS = 10


class ContendedError(Exception):
    """Others keep publishing the scope; what is marked stays marked."""


class WeightsPublisher:
    """
    Computes and publishes the weights of one scope at a time.

    The weights that a publication follows are read before the statistics: whoever publishes last has seen everything that
    was applied before the publication it replaces. Weights that say nothing new are not published. What exceeds
    *max_event_bytes* is live but stays out of the log.
    """

    def __init__(
        self,
        statistics: Statistics,
        weights: Weights,
        policies: Policies,
        events: Publisher,
        metrics: PublicationMetrics,
        *,
        clock_ms: Callable[[], int],
        new_id: Callable[[], str],
        max_event_bytes: int,
    ) -> None:
        self._statistics = statistics
        self._weights = weights
        self._policies = policies
        self._events = events
        self._metrics = metrics
        self._clock_ms = clock_ms
        self._new_id = new_id
        self._max_event_bytes = max_event_bytes

    async def publish_tenant(self, tenant: str, changed: Iterable[str], knowledge: Knowledge) -> WeightsPublished:
        """Publish *tenant*, of which the *changed* tasks may be new; raises `ContendedError`."""
        tasks = tuple(changed)

        async def compute(read: Snapshot) -> WeightsPublished:
            statistics = await self._statistics.of_tenant(tenant, tasks_due(read.weights, tasks))
            policy = (await self._policies.of_tenants([tenant]))[tenant]
            return tenant_weights(statistics, knowledge, policy, self._edition(read))

        with self._metrics.duration.time():
            return await self._replace(tenant, compute)

    async def publish_pool(self, knowledge: Knowledge) -> WeightsPublished:
        """Publish the weights of tenants without a history; raises `ContendedError`."""

        async def compute(read: Snapshot) -> WeightsPublished:
            return pool_weights(knowledge, self._edition(read))

        return await self._replace(POOL, compute)

    async def _replace(
        self, scope: str, compute: Callable[[Snapshot], Awaitable[WeightsPublished]]
    ) -> WeightsPublished:
        for _ in range(ATTEMPTS):
            read = await self._weights.read(scope)
            new = await compute(read)
            if read.weights is not None and not is_news(read.weights, new):
                await self._log(scope)
                return read.weights
            if await self._weights.replace(scope, read, new):
                self._metrics.published.labels("pool" if scope == POOL else "tenant").inc()
                await self._weights.announce(Changed(kind="weights", tenant=scope, version=new.version))
                await self._log(scope)
                return new
            self._metrics.conflicts.inc()
        raise ContendedError(scope)

    async def _log(self, scope: str) -> None:
        """Send what is in the outbox, also what a process left there that died after it had published."""
        try:
            for weights in await self._weights.unsent(scope):
                if len(weights) <= self._max_event_bytes:
                    await self._events.publish_durably(WEIGHTS.name, scope.encode(), weights)
                else:
                    self._metrics.unlogged.inc()
                    log.error("weights.too_large", scope=scope, size_bytes=len(weights), limit=self._max_event_bytes)
                await self._weights.sent(scope, weights)
        except PublishError as error:
            # The entry stays in the outbox and goes with the scope's next publication; the weights themselves are live.
            self._metrics.unlogged.inc()
            log.warning("weights.unlogged", scope=scope, reason=str(error))

    def _edition(self, read: Snapshot) -> Edition:
        now_ms = self._clock_ms()
        version = read.weights.version + 1 if read.weights else 1
        return Edition(event_id=self._new_id(), now_ms=now_ms, now_day=day_of(now_ms), version=version)
