"""The shared pool in Redis: replaced by compare-and-set, recomputed under a lease."""

import hashlib
from typing import cast

import msgspec
from redis.asyncio import Redis

from libs.contracts.state import POOL
from libs.routing.pool import Pool
from services.aggregator.adapters.redis_learning import script
from services.aggregator.ports import PoolSnapshot

POOL_KEY = f"ag:{{{POOL}}}:fit"
LEASE_KEY = f"ag:{{{POOL}}}:lease"

_decoder = msgspec.json.Decoder(Pool)


class RedisPool:
    """Implements `PoolStore`. The lease saves work; that a late writer does no harm is up to the comparison."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._swap = redis.register_script(script("swap"))
        self._read = PoolSnapshot(pool=Pool(), stamp="")

    async def read(self) -> PoolSnapshot:
        """Read the pool, decoded anew only where it changed; the stamp is the SHA-1 that the script compares."""
        stored = cast("bytes | None", await self._redis.get(POOL_KEY))
        if stored is None:
            return PoolSnapshot(pool=Pool(), stamp="")
        stamp = hashlib.sha1(stored, usedforsecurity=False).hexdigest()
        if stamp != self._read.stamp:
            self._read = PoolSnapshot(pool=_decoder.decode(stored), stamp=stamp)
        return self._read

    async def replace(self, read: PoolSnapshot, new: Pool) -> bool:
        """Run the script."""
        return bool(await self._swap(keys=[POOL_KEY], args=[read.stamp, msgspec.json.encode(new)]))

    async def lease(self, token: str, ttl_s: float) -> bool:
        """Set the lease where it is free, else renew our own."""
        ttl_ms = int(ttl_s * 1000)
        if await self._redis.set(LEASE_KEY, token, nx=True, px=ttl_ms):
            return True
        if await self._redis.get(LEASE_KEY) != token.encode():
            return False
        return bool(await self._redis.pexpire(LEASE_KEY, ttl_ms))
