"""The state of live requests in Redis: one round trip before the answer, one write after it, and counts kept here meanwhile."""

from collections.abc import Callable
from typing import Any, TypeVar

import hiredis
import msgspec
import structlog

from libs.contracts import state
from libs.contracts.state import CachedAnswer, Quarantine, SessionState
from services.gateway.adapters.local_counts import LocalCounts
from services.gateway.adapters.redis_wire import Command, RedisAwayError, RedisWire
from services.gateway.domain.limits import Usage, minute_of, month_of
from services.gateway.ports import Found, Lookup, Settled

log = structlog.get_logger(__name__)

MINUTE_TTL_S = 120
MONTH_TTL_S = 40 * 86_400
_REDIS = "redis"

T = TypeVar("T")


class HotStateSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How long a live session and the ways to it are remembered."""

    session_ttl_s: int = 86_400
    alias_ttl_s: int = 7 * 86_400


class RedisHotState:
    """The `HotState` of production; *degrade* counts each use that had to do without Redis."""

    def __init__(self, wire: RedisWire, settings: HotStateSettings, degrade: Callable[[str], None]) -> None:
        self._wire = wire
        self._settings = settings
        self._degrade = degrade
        self._local = LocalCounts()

    async def look_up(self, lookup: Lookup) -> Found:
        """Count the request and fetch its state; without Redis, count it here and fetch nothing."""
        try:
            minute, _, month, _, *values = await self._wire.ask(_lookup_commands(lookup))
        except RedisAwayError:
            self._degrade(_REDIS)
            return Found(usage=self._local.count(lookup.tenant, lookup.key_id, lookup.now_ms), local=True)
        if not isinstance(minute, int) or not isinstance(month, int):
            self._degrade("redis_reply")
            return Found(usage=self._local.count(lookup.tenant, lookup.key_id, lookup.now_ms), local=True)
        session, quarantine, *cached = values
        return Found(
            usage=Usage(minute=minute, month=month),
            session=_decoded(session, SessionState) or SessionState(),
            quarantine=_decoded(quarantine, Quarantine),
            cached=_decoded(cached[0], CachedAnswer) if cached else None,
        )

    def settle(self, settled: Settled) -> None:
        """Send what is to be remembered, without waiting."""
        self._wire.tell(_settle_commands(settled, self._settings), self._check)

    def release(self, tenant: str, now_ms: int) -> None:
        """Take one request of the month back, without waiting."""
        self._local.release(tenant, now_ms)
        self._wire.tell([("DECR", state.month_count(tenant, "requests", month_of(now_ms)))], self._check)

    def _check(self, replies: list[Any] | None) -> None:
        if replies is None:
            self._degrade("redis_settle")
            return
        for reply in replies:
            if isinstance(reply, hiredis.ReplyError):
                self._degrade("redis_settle")
                log.warning("hot_state.refused", reason=str(reply).partition(" ")[0])


def _lookup_commands(lookup: Lookup) -> list[Command]:
    tenant = lookup.tenant
    minute = state.minute_count(tenant, lookup.key_id, minute_of(lookup.now_ms))
    month = state.month_count(tenant, "requests", month_of(lookup.now_ms))
    commands: list[Command] = [
        ("INCR", minute),
        ("EXPIRE", minute, MINUTE_TTL_S, "NX"),
        ("INCR", month),
        ("EXPIRE", month, MONTH_TTL_S, "NX"),
        ("GET", state.session(tenant, lookup.session_id)),
        ("GET", state.quarantine(tenant, lookup.session_id)),
    ]
    if lookup.cache_digest is not None:
        commands.append(("GET", state.cached_answer(tenant, lookup.cache_digest)))
    return commands


def _settle_commands(settled: Settled, settings: HotStateSettings) -> list[Command]:
    tenant, session_id = settled.tenant, settled.session_id
    aliases = [settled.request_id]
    if settled.completion_id and len(settled.completion_id) <= state.MAX_SESSION_ID_CHARS:
        aliases.append(settled.completion_id)
    commands = [_put(state.session_alias(tenant, alias), session_id, settings.alias_ttl_s) for alias in aliases]
    if not settled.session_inferred:
        commands.append(_put(state.last_session(tenant, settled.key_id), session_id, settings.session_ttl_s))
    if settled.session is not None:
        value = msgspec.json.encode(settled.session)
        commands.append(_put(state.session(tenant, session_id), value, settings.session_ttl_s))
    if settled.cache_digest is not None and settled.cached is not None:
        key = state.cached_answer(tenant, settled.cache_digest)
        commands.append(_put(key, msgspec.json.encode(settled.cached), settled.cache_ttl_s))
    return commands


def _put(key: str, value: str | bytes, ttl_s: int) -> Command:
    return ("SET", key, value, "EX", ttl_s)


def _decoded(reply: Any, kind: type[T]) -> T | None:
    """Return what *reply* holds; a value that cannot be read is as good as absent, the next one overwrites it."""
    if not isinstance(reply, bytes):
        return None
    try:
        return msgspec.json.decode(reply, type=kind)
    except msgspec.DecodeError:
        log.warning("hot_state.unreadable", kind=kind.__name__)
        return None
