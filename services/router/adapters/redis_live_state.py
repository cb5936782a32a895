"""Weights and sessions as gateways have them in Redis."""

import msgspec
from redis.asyncio import Redis

from libs.contracts import state
from libs.contracts.events import WeightsPublished
from libs.contracts.state import SessionState
from services.router.adapters.redis_failures import policy_unavailable


class RedisLiveState:
    """Reads; never writes."""

    def __init__(self, redis: "Redis") -> None:
        self._redis = redis
        self._weights = msgspec.json.Decoder(WeightsPublished)
        self._session = msgspec.json.Decoder(SessionState)

    async def weights(self, tenant: str, *, consume: bool) -> WeightsPublished | None:
        """Return the tenant's weights, else the pool's, else None."""
        for scope in (tenant, state.POOL) if consume else (tenant,):
            with policy_unavailable():
                raw = await self._redis.get(state.weights(scope))
            if raw is not None:
                return self._weights.decode(raw)
        return None

    async def session(self, tenant: str, session_id: str) -> SessionState:
        """Return what is remembered of a session."""
        with policy_unavailable():
            raw = await self._redis.get(state.session(tenant, session_id))
        return SessionState() if raw is None else self._session.decode(raw)
