"""What the gateway remembers about sessions, read from Redis."""

from redis.asyncio import Redis

from libs.contracts import state
from services.feedback_ingest.adapters.redis_calls import answered


class RedisSessions:
    """The `Sessions` that the gateway writes."""

    def __init__(self, redis: "Redis", *, deadline_s: float) -> None:
        self._redis = redis
        self._deadline_s = deadline_s

    async def of_alias(self, tenant: str, alias: str) -> str | None:
        """Return the session that a completion id or request id belongs to, or None."""
        return await self._text(state.session_alias(tenant, alias))

    async def last_of_key(self, tenant: str, key_id: str) -> str | None:
        """Return the session that an API key used last, or None."""
        return await self._text(state.last_session(tenant, key_id))

    async def _text(self, key: str) -> str | None:
        value = await answered(self._redis.get(key), self._deadline_s)
        return value.decode() if isinstance(value, bytes) else value
