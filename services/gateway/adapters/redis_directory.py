"""Callers from Redis, kept in process: a request never waits for a key that was seen before."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from functools import lru_cache
from typing import Any, cast

import msgspec
import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from libs.contracts import state
from libs.contracts.state import ApiKey, Changed, OptimizationGates, Plan, RoutingRule, TenantPolicy
from services.gateway.domain.caller import Caller
from services.gateway.ports import Directory, DirectoryUnavailableError

log = structlog.get_logger(__name__)

Raw = tuple[bytes, ...]


class DirectorySettings(msgspec.Struct, frozen=True, kw_only=True):
    """
    How long an entry is used before it is read again in the background.

    A change reaches the gateway at once by notification; these bound the delay where the notification was lost.
    """

    refresh_s: float = 10.0
    unknown_s: float = 5.0
    max_entries: int = 10_000


class _Entry(msgspec.Struct, kw_only=True):
    raw: Raw
    caller: Caller | None
    checked_at_s: float


class RedisDirectory:
    """
    The `Directory` of production.

    A key that Redis does not hold is looked for in *fallback*. While Redis is away, known keys stay valid as they were.
    """

    def __init__(
        self,
        client: "Redis",
        fallback: Directory,
        settings: DirectorySettings,
        clock_s: Callable[[], float],
        degrade: Callable[[str], None],
    ) -> None:
        self._client = client
        self._fallback = fallback
        self._settings = settings
        self._clock_s = clock_s
        self._degrade = degrade
        self._known: OrderedDict[str, _Entry] = OrderedDict()
        self._unknown: OrderedDict[str, float] = OrderedDict()
        self._loading: dict[str, asyncio.Task[Caller | None]] = {}

    async def find(self, secret_sha256: str) -> Caller | None:
        """Return the caller, or None for an unknown or revoked key; raises `DirectoryUnavailableError`."""
        entry = self._known.get(secret_sha256)
        now_s = self._clock_s()
        if entry is not None:
            if now_s - entry.checked_at_s > self._settings.refresh_s:
                self._load(secret_sha256)
            return entry.caller
        seen_s = self._unknown.get(secret_sha256)
        if seen_s is not None and now_s - seen_s <= self._settings.unknown_s:
            return None
        return await asyncio.shield(self._load(secret_sha256))

    async def changed(self, change: Changed | None) -> None:
        """Read again what *change* touches; None means that changes may have been missed: everything."""
        self._unknown.clear()
        for digest, entry in list(self._known.items()):
            if change is None or change.kind == "plan" or _tenant(entry) in (change.tenant, None):
                self._load(digest)

    def _load(self, digest: str) -> "asyncio.Task[Caller | None]":
        task = self._loading.get(digest)
        if task is None:
            task = self._loading[digest] = asyncio.get_running_loop().create_task(self._read(digest))
            task.add_done_callback(lambda done: self._loaded(digest, done))
        return task

    def _loaded(self, digest: str, task: "asyncio.Task[Caller | None]") -> None:
        del self._loading[digest]
        if not task.cancelled():
            task.exception()  # Who waits for the task sees it; nobody waits for a refresh.

    async def _read(self, digest: str) -> Caller | None:
        known = self._known.get(digest)
        if known is not None:
            known.checked_at_s = self._clock_s()  # One refresh at a time, also while Redis is away.
        try:
            raw, caller = await self._fetch(digest)
        except (RedisError, OSError, TimeoutError, msgspec.DecodeError) as error:
            self._degrade("directory")
            log.warning("directory.unreadable", error=type(error).__name__)
            return await self._without_redis(digest, known, error)
        if known is not None and known.raw == raw:
            return known.caller
        self._keep(digest, raw, caller)
        return caller

    async def _without_redis(self, digest: str, known: _Entry | None, error: Exception) -> Caller | None:
        if known is not None:
            return known.caller
        caller = await self._fallback.find(digest)
        if caller is None:
            raise DirectoryUnavailableError("Redis is away and no file declares the key") from error
        self._keep(digest, (), caller)
        return caller

    def _keep(self, digest: str, raw: Raw, caller: Caller | None) -> None:
        if caller is None:
            self._known.pop(digest, None)
            self._unknown[digest] = self._clock_s()
            _trim(self._unknown, self._settings.max_entries)
        else:
            self._unknown.pop(digest, None)
            self._known[digest] = _Entry(raw=raw, caller=caller, checked_at_s=self._clock_s())
            _trim(self._known, self._settings.max_entries)

    async def _fetch(self, digest: str) -> tuple[Raw, Caller | None]:
        raw_key = await self._get(state.api_key(digest))
        if raw_key is None:
            return (), await self._fallback.find(digest)
        key = msgspec.json.decode(raw_key, type=ApiKey)
        if key.revoked:
            return (raw_key,), None
        raw_policy = await self._get(state.policy(key.tenant))
        raw_rules = cast(dict[bytes, bytes], await self._client.hgetall(state.rules(key.tenant)))
        raw_gates = cast(dict[bytes, bytes], await self._client.hgetall(state.gates(key.tenant)))
        policy = _policy(raw_policy) if raw_policy else _default_policy(key.tenant)
        raw_plan = await self._get(state.plan(policy.plan))
        plan = msgspec.json.decode(raw_plan, type=Plan) if raw_plan else Plan(name=policy.plan)
        rules = {rule_id.decode(): _rule(raw_rule) for rule_id, raw_rule in raw_rules.items()}
        raw = (
            raw_key,
            raw_policy or b"",
            raw_plan or b"",
            *(part for item in sorted(raw_rules.items()) for part in item),
            *(part for item in sorted(raw_gates.items()) for part in item),
        )
        gates = {route.decode(): _gates(of_route) for route, of_route in raw_gates.items()}
        return raw, Caller(key=key, policy=policy, plan=plan, rules=rules, gates=gates)

    async def _get(self, name: str) -> bytes | None:
        return cast(bytes | None, await self._client.get(name))


# The same bytes give the same object, for all keys of a tenant: plans of decisions are kept by identity.
@lru_cache(maxsize=4096)
def _policy(raw: bytes) -> TenantPolicy:
    return msgspec.json.decode(raw, type=TenantPolicy)


@lru_cache(maxsize=4096)
def _default_policy(tenant: str) -> TenantPolicy:
    return TenantPolicy(tenant=tenant)


@lru_cache(maxsize=4096)
def _rule(raw: bytes) -> RoutingRule:
    return msgspec.json.decode(raw, type=RoutingRule)


@lru_cache(maxsize=4096)
def _gates(raw: bytes) -> OptimizationGates:
    return msgspec.json.decode(raw, type=OptimizationGates)


def _tenant(entry: _Entry) -> str | None:
    return entry.caller.tenant if entry.caller is not None else None


def _trim(entries: "OrderedDict[str, Any]", size: int) -> None:
    while len(entries) > size:
        entries.popitem(last=False)
