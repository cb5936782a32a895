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

    async def weights(self, scope: str) -> WeightsPublished | None:
        """Return the newest weights of a scope."""
        with policy_unavailable():
            raw = await self._redis.get(state.weights(scope))
        return None if raw is None else self._weights.decode(raw)

    async def session(self, tenant: str, session_id: str) -> SessionState:
        """Return what is remembered of a session."""
        with policy_unavailable():
            raw = await self._redis.get(state.session(tenant, session_id))
        return SessionState() if raw is None else self._session.decode(raw)
