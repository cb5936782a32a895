"""Weights, sessions and the Day-0 table as gateways have them in Redis."""

from typing import cast

import msgspec
import structlog
from redis.asyncio import Redis

from libs.contracts import state
from libs.contracts.events import WeightsPublished
from libs.contracts.state import SessionState
from libs.routing.priors import Priors
from libs.routing.tables import InForce, TableError
from services.router.adapters.redis_failures import policy_unavailable

log = structlog.get_logger(__name__)


class RedisLiveState:
    """Reads; never writes."""

    def __init__(self, redis: "Redis") -> None:
        self._redis = redis
        self._weights = msgspec.json.Decoder(WeightsPublished)
        self._session = msgspec.json.Decoder(SessionState)
        self._benchmarks = InForce()

    async def weights(self, scope: str) -> WeightsPublished | None:
        """Return the newest weights of a scope."""
        with policy_unavailable():
            raw = await self._redis.get(state.weights(scope))
        return None if raw is None else self._weights.decode(raw)

    async def benchmarks(self) -> Priors:
        """Return the Day-0 table in force; one that cannot be read leaves the one before."""
        with policy_unavailable():
            raw = cast("bytes | None", await self._redis.get(state.priors()))
        try:
            return self._benchmarks.take(raw)
        except TableError as error:
            log.error("benchmarks.invalid", reason=str(error))  # noqa: TRY400 - the reason is all there is
            return self._benchmarks.table

    async def session(self, tenant: str, session_id: str) -> SessionState:
        """Return what is remembered of a session."""
        with policy_unavailable():
            raw = await self._redis.get(state.session(tenant, session_id))
        return SessionState() if raw is None else self._session.decode(raw)
