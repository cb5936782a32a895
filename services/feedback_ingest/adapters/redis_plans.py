"""Quotas of plans, read from Redis and remembered for a while."""

from collections.abc import Callable

import msgspec
from redis.asyncio import Redis

from libs.contracts import state
from services.feedback_ingest.adapters.redis_calls import answered


class RedisPlans:
    """`Plans`; a change reaches this process within *keep_s*. A plan that is not in Redis has no limit."""

    def __init__(self, redis: "Redis", *, deadline_s: float, keep_s: float, clock_s: Callable[[], float]) -> None:
        self._redis = redis
        self._deadline_s = deadline_s
        self._keep_s = keep_s
        self._clock_s = clock_s
        self._known: dict[str, tuple[float, int | None]] = {}

    async def monthly_feedback(self, plan: str) -> int | None:
        """Return how many ratings a month *plan* allows, None for unlimited."""
        fresh_until_s, limit = self._known.get(plan, (0.0, None))
        if self._clock_s() < fresh_until_s:
            return limit
        value = await answered(self._redis.get(state.plan(plan)), self._deadline_s)
        limit = None if value is None else msgspec.json.decode(value, type=state.Plan).monthly_feedback
        self._known[plan] = (self._clock_s() + self._keep_s, limit)
        return limit
