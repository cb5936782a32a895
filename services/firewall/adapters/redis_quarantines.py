"""Quarantined sessions in Redis, each with its expiry."""

import msgspec
from redis.asyncio import Redis

from libs.contracts import state
from libs.contracts.state import Quarantine
from services.firewall.adapters.redis_calls import answered


class RedisQuarantines:
    """`Quarantines` under the key that the gateway reads with every request."""

    def __init__(self, redis: "Redis", *, deadline_s: float) -> None:
        self._redis = redis
        self._deadline_s = deadline_s

    async def put(self, tenant: str, session_id: str, quarantine: Quarantine, *, now_ms: int) -> None:
        """Quarantine the session; one whose time is over already is left alone."""
        left_ms = quarantine.until_ms - now_ms
        if left_ms > 0:
            key = state.quarantine(tenant, session_id)
            await answered(self._redis.set(key, msgspec.json.encode(quarantine), px=left_ms), self._deadline_s)
