"""Tenants' policies as the router materialises them."""

from collections.abc import Sequence

import msgspec
from redis.asyncio import Redis

from libs.contracts import state
from libs.contracts.state import TenantPolicy

_decoder = msgspec.json.Decoder(TenantPolicy)


class RedisPolicies:
    """Implements `Policies`."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def of_tenants(self, tenants: Sequence[str]) -> dict[str, TenantPolicy]:
        """Read all of them in one round trip."""
        async with self._redis.pipeline(transaction=False) as pipeline:
            for tenant in tenants:
                pipeline.get(state.policy(tenant))
            answers = await pipeline.execute()
        return {
            tenant: TenantPolicy(tenant=tenant) if stored is None else _decoder.decode(stored)
            for tenant, stored in zip(tenants, answers, strict=True)
        }
