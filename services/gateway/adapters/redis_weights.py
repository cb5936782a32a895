"""Weights from Redis, kept in process: a decision never waits for them, and never goes without."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import cast

import msgspec
import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from libs.contracts import state
from libs.contracts.events import WeightsPublished
from libs.contracts.state import POOL, Changed
from libs.routing.snapshots import overlaid, pool_base

log = structlog.get_logger(__name__)

MAX_TENANTS = 10_000
_PAGE = 100


class _Held(msgspec.Struct, kw_only=True):
    """One scope's own snapshot as stored, and what decisions use: the same object until one of its parts changes."""

    raw: bytes | None = None
    own: WeightsPublished | None = None
    effective: WeightsPublished | None = None
    consume: bool = True


class RedisWeights:
    """The `WeightsStore` of production; *day0* is what benchmarks alone say."""

    def __init__(self, client: "Redis", day0: WeightsPublished, poll_s: float, degrade: Callable[[str], None]) -> None:
        self._client = client
        self._day0 = day0
        self._poll_s = poll_s
        self._degrade = degrade
        self._pool = _Held()
        self._pool_base = day0
        self._tenants: dict[str, _Held] = {}

    async def of(self, tenant: str, *, consume: bool) -> WeightsPublished:
        """Return the tenant's weights over the pool's over Day 0; only a tenant's first request waits for Redis."""
        held = self._tenants.get(tenant)
        if held is None:
            held = await self._first(tenant)
        if held.effective is None or held.consume != consume:
            held.consume = consume
            held.effective = self._effective(held)
        return held.effective

    async def changed(self, change: Changed | None) -> None:
        """Read again what *change* names; None means that changes may have been missed: everything."""
        if change is None:
            await self._refresh([POOL, *self._tenants])
        elif change.kind == "weights" and (change.tenant == POOL or change.tenant in self._tenants):
            await self._refresh([change.tenant])

    def rebase(self, day0: WeightsPublished) -> None:
        """Put *day0* in the place of what benchmarks alone said before."""
        self._day0 = day0
        self._pool_changed()

    async def poll(self, stop: asyncio.Event) -> None:
        """Read everything again every few seconds, for notifications that were lost."""
        while not stop.is_set():
            await self._refresh([POOL, *self._tenants])
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), self._poll_s)

    async def _first(self, tenant: str) -> _Held:
        if len(self._tenants) >= MAX_TENANTS:
            self._tenants.pop(next(iter(self._tenants)))
        held = self._tenants.setdefault(tenant, _Held())
        await self._refresh([tenant])
        return held

    async def _refresh(self, scopes: list[str]) -> None:
        try:
            for start in range(0, len(scopes), _PAGE):
                page = scopes[start : start + _PAGE]
                replies = await asyncio.gather(*(self._client.get(state.weights(scope)) for scope in page))
                for scope, raw in zip(page, replies, strict=True):
                    self._take(scope, cast(bytes | None, raw))
        except (RedisError, OSError, TimeoutError) as error:
            self._degrade("weights")
            log.warning("weights.unreadable", error=type(error).__name__)

    def _take(self, scope: str, raw: bytes | None) -> None:
        held = self._pool if scope == POOL else self._tenants.get(scope)
        if held is None or held.raw == raw:
            return
        try:
            own = msgspec.json.decode(raw, type=WeightsPublished) if raw else None
        except msgspec.DecodeError:
            self._degrade("weights")
            log.exception("weights.invalid", scope=scope)
            return
        held.raw, held.own, held.effective = raw, own, None
        if scope == POOL:
            self._pool_changed()

    def _pool_changed(self) -> None:
        pool = self._pool.own
        self._pool_base = self._day0 if pool is None else pool_base(pool, self._day0)
        for held in self._tenants.values():
            held.effective = None

    def _effective(self, held: _Held) -> WeightsPublished:
        base = self._pool_base if held.consume else self._day0
        return base if held.own is None else overlaid(held.own, base)
