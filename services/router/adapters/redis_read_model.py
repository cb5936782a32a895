"""The read model in Redis: a book of the newest change of each entity, and the keys that gateways read."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import cast

import msgspec
from redis.asyncio import Redis
from redis.exceptions import LockError

from libs.contracts.events import ControlChanged, ControlKind
from libs.contracts.state import CHANGES_CHANNEL
from services.router.adapters.redis_failures import policy_unavailable
from services.router.domain.entities import Entry, Place, Ref, ref_of
from services.router.domain.projection import project
from services.router.ports import BusyError

RESUME_KEY = "ag:control:resume"
LOCK_S = 30.0
LOCK_WAIT_S = 2.0
LOCK_POLL_S = 0.02

# Keeps the entry unless the book has a later one of the same log.
_KEEP_NEWEST = """
local kept = redis.call('HGET', KEYS[1], ARGV[1])
if kept then
  local place = cjson.decode(kept).place
  if place.log == ARGV[2] and place.offset > tonumber(ARGV[3]) then return 0 end
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[4])
return 1
"""


class Resume(msgspec.Struct, frozen=True, kw_only=True):
    """How far the log is applied."""

    place: Place
    last_event_id: str | None


def book_key(tenant: str) -> str:
    """Return the key of the hash `kind:entity_id` → `Entry`."""
    return f"ag:{{{tenant}}}:control"


def lock_key(tenant: str) -> str:
    """Return the key that the one writer of a tenant's policy holds."""
    return f"ag:{{{tenant}}}:control:lock"


class RedisReadModel:
    """Reads and materialises policy in one Redis."""

    def __init__(self, redis: "Redis") -> None:
        self._redis = redis
        self._keep_newest = redis.register_script(_KEEP_NEWEST)
        self._entry = msgspec.json.Decoder(Entry)

    async def entry(self, ref: Ref) -> Entry | None:
        """Return the newest change of one entity."""
        with policy_unavailable():
            raw = await self._redis.hget(book_key(ref.tenant), _field(ref))
        return None if raw is None else self._entry.decode(raw)

    async def entries(self, tenant: str, kind: ControlKind) -> Sequence[Entry]:
        """Return the newest change of each of the tenant's entities of a kind."""
        with policy_unavailable():
            book = cast("dict[bytes, bytes]", await self._redis.hgetall(book_key(tenant)))
        return [self._entry.decode(raw) for field, raw in book.items() if field.startswith(f"{kind}:".encode())]

    @asynccontextmanager
    async def exclusive(self, tenant: str) -> AsyncIterator[None]:
        """Hold the tenant's lock; it expires by itself should this process die."""
        lock = self._redis.lock(
            lock_key(tenant),
            timeout=LOCK_S,
            blocking_timeout=LOCK_WAIT_S,
            sleep=LOCK_POLL_S,
            raise_on_release_error=False,
        )
        async with AsyncExitStack() as stack:
            try:
                with policy_unavailable():
                    await stack.enter_async_context(lock)
            except LockError as error:
                raise BusyError(tenant) from error
            yield

    async def apply(self, change: ControlChanged, place: Place) -> None:
        """
        Keep *change* in the book, then write what the book's newest change projects to.

        The book stands in another cluster slot than keys and plans. Projecting again until the book has not moved meanwhile
        makes two writers that overlap during a hand-over end in the same state.
        """
        ref = ref_of(change)
        entry = Entry(change=change, place=place)
        encoded = msgspec.json.encode(entry)
        with policy_unavailable():
            await self._keep_newest(keys=[book_key(ref.tenant)], args=[_field(ref), place.log, place.offset, encoded])
        projected, newest = None, await self.entry(ref)
        while newest is not None and newest != projected:
            with policy_unavailable():
                await self._project(newest)
            projected, newest = newest, await self.entry(ref)

    async def resume_point(self) -> Place | None:
        """Return the place after the last applied change."""
        resume = await self._resume()
        return None if resume is None else resume.place

    async def last_event_id(self) -> str | None:
        """Return the event right before the resume point."""
        resume = await self._resume()
        return None if resume is None else resume.last_event_id

    async def keep_resume_point(self, place: Place, *, last_event_id: str | None) -> None:
        """Remember how far the log is applied."""
        resume = msgspec.json.encode(Resume(place=place, last_event_id=last_event_id))
        with policy_unavailable():
            await self._redis.set(RESUME_KEY, resume)

    async def _resume(self) -> Resume | None:
        with policy_unavailable():
            raw = await self._redis.get(RESUME_KEY)
        return None if raw is None else msgspec.json.decode(raw, type=Resume)

    async def _project(self, entry: Entry) -> None:
        projection = project(entry.change, version=entry.place.offset)
        for key, value in projection.values.items():
            await (self._redis.delete(key) if value is None else self._redis.set(key, value))
        for (key, field), value in projection.fields.items():
            await (self._redis.hdel(key, field) if value is None else self._redis.hset(key, field, value))
        await self._redis.publish(CHANGES_CHANNEL, msgspec.json.encode(projection.changed))


def _field(ref: Ref) -> str:
    return f"{ref.kind}:{ref.entity_id}"
