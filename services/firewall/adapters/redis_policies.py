"""Policies of tenants, read from Redis and remembered for a while."""

from collections.abc import Callable

import msgspec
from redis.asyncio import Redis

from libs.contracts import state
from libs.contracts.state import FirewallPolicy, TenantPolicy
from services.firewall.adapters.redis_calls import answered


class RedisPolicies:
    """`Policies`; a change reaches this process within *keep_s*."""

    def __init__(self, redis: "Redis", *, deadline_s: float, keep_s: float, clock_s: Callable[[], float]) -> None:
        self._redis = redis
        self._deadline_s = deadline_s
        self._keep_s = keep_s
        self._clock_s = clock_s
        self._known: dict[str, tuple[float, FirewallPolicy]] = {}

    async def of(self, tenant: str) -> FirewallPolicy:
        """Return the tenant's policy, the default one where it has none."""
        known = self._known.get(tenant)
        if known is not None and self._clock_s() < known[0]:
            return known[1]
        value = await answered(self._redis.get(state.policy(tenant)), self._deadline_s)
        policy = FirewallPolicy() if value is None else msgspec.json.decode(value, type=TenantPolicy).firewall
        self._known[tenant] = (self._clock_s() + self._keep_s, policy)
        return policy
