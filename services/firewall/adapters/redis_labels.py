"""Labels in Redis: which session a request belongs to, and the first label of each subject."""

import msgspec
from redis.asyncio import Redis

from libs.contracts import state
from libs.contracts.state import FeedbackMark
from services.firewall.adapters.redis_calls import answered


class RedisSessions:
    """The `Sessions` that the gateway writes."""

    def __init__(self, redis: "Redis", *, deadline_s: float) -> None:
        self._redis = redis
        self._deadline_s = deadline_s

    async def of_alias(self, tenant: str, alias: str) -> str | None:
        """Return the session of *alias*, or None."""
        value = await answered(self._redis.get(state.session_alias(tenant, alias)), self._deadline_s)
        return value.decode() if isinstance(value, bytes) else value


class RedisMarks:
    """`Marks`, kept *ttl_s* after their label."""

    def __init__(self, redis: "Redis", *, ttl_s: int, deadline_s: float) -> None:
        self._redis = redis
        self._ttl_s = ttl_s
        self._deadline_s = deadline_s

    async def claim(self, key: str, mark: FeedbackMark) -> FeedbackMark | None:
        """Put *mark*, or return the one that is there."""
        value = msgspec.json.encode(mark)
        found = await answered(self._redis.set(key, value, nx=True, get=True, ex=self._ttl_s), self._deadline_s)
        return msgspec.json.decode(found, type=FeedbackMark) if isinstance(found, bytes) else None

    async def settle(self, key: str, mark: FeedbackMark) -> None:
        """Overwrite what was claimed, for the rest of its time."""
        value = msgspec.json.encode(mark)
        await answered(self._redis.set(key, value, xx=True, keepttl=True), self._deadline_s)
