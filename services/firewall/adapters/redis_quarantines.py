"""Evidence against sessions and their quarantines in Redis, each with its expiry."""

from collections.abc import AsyncIterator
from importlib.resources import files
from typing import Final, cast

import msgspec
from redis.asyncio import Redis

from libs.contracts import state
from libs.contracts.state import Quarantine
from services.firewall.adapters.redis_calls import answered
from services.firewall.domain.evidence import DISCOUNT, HOSTILE, KEPT, Clues
from services.firewall.ports import Standing

_SCAN_COUNT: Final = 1_000


class RedisQuarantines:
    """`Quarantines`, the quarantine under the key that the gateway reads with every request; evidence is kept for *evidence_ms*."""

    def __init__(self, redis: "Redis", *, deadline_s: float, evidence_ms: int) -> None:
        self._redis = redis
        self._deadline_s = deadline_s
        self._evidence_ms = evidence_ms
        script = files("services.firewall.adapters").joinpath("scripts", "weigh.lua").read_text()
        self._weigh = redis.register_script(script)

    async def weigh(self, tenant: str, session_id: str, clues: Clues, hostile: Quarantine, *, now_ms: int) -> Standing:
        """Run the script: one round trip."""
        passages = [part for digest, weight in clues.items() for part in (weight, digest)]
        limits = (self._evidence_ms, KEPT, DISCOUNT, HOSTILE)
        until = (msgspec.json.encode(hostile), max(1, hostile.until_ms - now_ms))
        call = self._weigh(keys=_keys(tenant, session_id), args=[*limits, *until, *passages])
        total, standing, new = await answered(call, self._deadline_s)
        return Standing(evidence=float(total), quarantine=_decoded(standing), new=bool(new))

    async def release(self, tenant: str, session_id: str) -> Quarantine | None:
        """End the quarantine; the passages stay known, at no weight, so that a repeated history does not bring it back."""
        evidence, quarantine = _keys(tenant, session_id)
        async with self._redis.pipeline(transaction=True) as pipeline:
            pipeline.zunionstore(evidence, {evidence: 0})
            pipeline.pexpire(evidence, self._evidence_ms)
            pipeline.getdel(quarantine)
            *_, released = await answered(pipeline.execute(), self._deadline_s)
        return _decoded(released)

    async def standing(self, tenant: str) -> AsyncIterator[tuple[str, Quarantine]]:
        """Yield the tenant's quarantined sessions."""
        prefix = state.quarantine(tenant, "")
        cursor = -1
        while cursor:
            scan = self._redis.scan(max(cursor, 0), match=f"{prefix}*", count=_SCAN_COUNT)
            cursor, keys = await answered(scan, self._deadline_s)
            for key in cast("list[bytes]", keys):
                found = _decoded(await answered(self._redis.get(key), self._deadline_s))
                if found is not None:
                    yield key.decode().removeprefix(prefix), found


def _keys(tenant: str, session_id: str) -> tuple[str, str]:
    return state.evidence(tenant, session_id), state.quarantine(tenant, session_id)


def _decoded(value: bytes | str | None) -> Quarantine | None:
    return None if value is None else msgspec.json.decode(value, type=Quarantine)
