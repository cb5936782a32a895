"""Policies of tenants, read from Redis and remembered for a while."""

from collections.abc import Callable

import msgspec
from redis.asyncio import Redis

from libs.contracts import state
from libs.contracts.state import FirewallPolicy, RedactionPolicy, TenantPolicy
from services.firewall.adapters.redis_calls import answered


class RedisPolicies:
    """`Policies`; a change reaches this process within *keep_s*."""

    def __init__(self, redis: "Redis", *, deadline_s: float, keep_s: float, clock_s: Callable[[], float]) -> None:
        self._redis = redis
        self._deadline_s = deadline_s
        self._keep_s = keep_s
        self._clock_s = clock_s
        self._known: dict[str, tuple[float, TenantPolicy]] = {}

    async def of(self, tenant: str) -> FirewallPolicy:
        """Return how the tenant wants prompts scanned."""
        return (await self._policy(tenant)).firewall

    async def redaction_of(self, tenant: str) -> RedactionPolicy:
        """Return what the tenant wants taken out."""
        return (await self._policy(tenant)).redaction

    async def _policy(self, tenant: str) -> TenantPolicy:
        known = self._known.get(tenant)
        if known is not None and self._clock_s() < known[0]:
            return known[1]
        value = await answered(self._redis.get(state.policy(tenant)), self._deadline_s)
        policy = TenantPolicy(tenant=tenant) if value is None else msgspec.json.decode(value, type=TenantPolicy)
        self._known[tenant] = (self._clock_s() + self._keep_s, policy)
        return policy
