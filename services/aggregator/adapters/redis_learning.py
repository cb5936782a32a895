"""The learner's state in Redis: one hash tag per partition, one script per batch."""

from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from typing import Any, TypeAlias, cast

import msgspec
from redis.asyncio import Redis

from libs.contracts import state
from services.aggregator.domain import places, sessions
from services.aggregator.domain.change import Change, SessionEdit, SessionKey, TaskKey
from services.aggregator.domain.folding import Known
from services.aggregator.domain.places import Place
from services.aggregator.ports import LostOwnershipError, MarkKind, Marks, OffsetsMovedError, Step

SCAN_COUNT = 1_000
Stored: TypeAlias = Mapping[bytes, bytes]

FIELDS_PER_COMMAND = 500  # Redis' Lua cannot unpack many thousands of arguments.


def script(name: str) -> str:
    """Return the source of one of this package's Lua scripts."""
    return files("services.aggregator.adapters").joinpath("scripts", f"{name}.lua").read_text()


def statistics_key(partition: int, key: TaskKey) -> str:
    """Return the key of the sums of a (tenant, task)."""
    return state.learning(partition, f"statistics:{key[0]}:{key[1]}")


def counters_key(partition: int, tenant: str) -> str:
    """Return the key of a tenant's counters."""
    return state.learning(partition, f"counters:{tenant}")


def index_key(partition: int) -> str:
    """Return the key of the set of every `<tenant> <task>` observed."""
    return state.learning(partition, "index")


class RedisLearning:
    """Implements `LearningState`; a session is forgotten *session_ttl_s* after its last event."""

    def __init__(self, redis: Redis, *, session_ttl_s: int) -> None:
        self._redis = redis
        self._session_ttl_s = session_ttl_s
        self._apply = redis.register_script(script("apply"))
        self._begin = redis.register_script(script("begin"))
        self._settle = redis.register_script(script("settle"))

    async def claim(self, partition: int, token: str) -> dict[str, Place]:
        """Make *token* the owner; nothing can move once it is, so the places are read afterwards."""
        await self._redis.set(_owner(partition), token)
        return await self.places(partition)

    async def places(self, partition: int) -> dict[str, Place]:
        """Return topic → place."""
        stored = cast(Stored, await self._redis.hgetall(_offsets(partition)))
        return places.parse_places({field.decode(): value.decode() for field, value in stored.items()})

    async def is_owned(self, partition: int, token: str) -> bool:
        """Say whether *token* still owns *partition*."""
        return bool(await self._redis.get(_owner(partition)) == token.encode())

    async def is_alive(self, partition: int) -> bool:
        """Say whether `keep_alive` was called within its time to live."""
        return bool(await self._redis.exists(state.learning(partition, "alive")))

    async def forget(self, partition: int) -> None:
        """Scan for the partition's keys and unlink them."""
        pattern = state.learning(partition, "*")
        async for key in self._redis.scan_iter(match=pattern, count=SCAN_COUNT):
            if key != _owner(partition).encode():
                await self._redis.unlink(key)

    async def begin(self, partition: int, token: str, begun: Mapping[str, Place]) -> None:
        """Set the places of topics."""
        parts = [part for topic, place in begun.items() for part in (topic, *_stored_place(place))]
        answer = await self._begin(keys=[_owner(partition), _offsets(partition)], args=[token, *parts])
        _judge(answer, partition)

    async def load(self, partition: int, touched: Mapping[SessionKey, Sequence[str]]) -> dict[SessionKey, Known]:
        """Read every touched session in one round trip."""
        async with self._redis.pipeline(transaction=False) as pipeline:
            for key, request_ids in touched.items():
                pipeline.hgetall(_session(partition, key))
                if request_ids:
                    pipeline.smismember(_seen(partition, key), list(request_ids))
            answers = iter(await pipeline.execute())
        return {
            key: _known(next(answers), request_ids, next(answers) if request_ids else ())
            for key, request_ids in touched.items()
        }

    async def apply(self, partition: int, token: str, change: Change, steps: Sequence[Step]) -> bool:
        """Run the batch script."""
        writes = _Writes(partition)
        for key, edit in change.sessions.items():
            writes.edit_session(key, edit, ttl_s=self._session_ttl_s)
        for task_key, gains in change.statistics.items():
            writes.add(statistics_key(partition, task_key), gains)
        for tenant, gains in change.counters.items():
            writes.add(counters_key(partition, tenant), gains)
        payload = {
            "places": [_place(step) for step in steps],
            "writes": writes.commands,
            "dirty": sorted(map(_mark, change.rated)),
            "stale": sorted(map(_mark, change.observed)),
            "pool": sorted({task for _, task in change.rated}),
        }
        answer = await self._apply(keys=writes.keys, args=[token, msgspec.json.encode(payload)])
        _judge(answer, partition)
        return bool(answer == b"applied")

    async def marks(self, partition: int, kind: MarkKind) -> Marks:
        """Return the marks of one kind."""
        stored = cast(Stored, await self._redis.hgetall(_marks(partition, kind)))
        return {field.decode(): value for field, value in stored.items()}

    async def settle(self, partition: int, kind: MarkKind, marks: Marks) -> None:
        """Take marks away by compare-and-delete."""
        items = list(marks.items())
        for start in range(0, len(items), FIELDS_PER_COMMAND):
            chunk = [part for item in items[start : start + FIELDS_PER_COMMAND] for part in item]
            await self._settle(keys=[_marks(partition, kind)], args=chunk)

    async def keep_alive(self, partitions: Sequence[int], ttl_s: int) -> None:
        """Renew the sign of life of *partitions*."""
        async with self._redis.pipeline(transaction=False) as pipeline:
            for partition in partitions:
                pipeline.set(state.learning(partition, "alive"), b"1", ex=ttl_s)
            await pipeline.execute()


class _Writes:
    """The writes of one batch, and the keys that they name by place."""

    def __init__(self, partition: int) -> None:
        self._partition = partition
        self.commands: list[list[Any]] = []
        self.keys = [
            _owner(partition),
            _offsets(partition),
            state.learning(partition, "changes"),
            _marks(partition, "dirty"),
            _marks(partition, "stale"),
            _marks(partition, "pool"),
            index_key(partition),
        ]

    def edit_session(self, key: SessionKey, edit: SessionEdit, *, ttl_s: int) -> None:
        fields = [part for field, value in edit.written.items() for part in (field, value.decode())]
        place = self._place_of(_session(self._partition, key))
        self._command("HSET", place, fields)
        self._command("HDEL", place, edit.dropped)
        self._command("EXPIRE", place, [str(ttl_s)])
        if edit.seen:
            place = self._place_of(_seen(self._partition, key))
            self._command("SADD", place, edit.seen)
            self._command("EXPIRE", place, [str(ttl_s)])

    def add(self, key: str, gains: Mapping[str, int]) -> None:
        place = self._place_of(key)
        self.commands += (["HINCRBY", place, field, str(gain)] for field, gain in gains.items())

    def _command(self, name: str, place: int, arguments: Iterable[str]) -> None:
        parts = list(arguments)
        for start in range(0, len(parts), FIELDS_PER_COMMAND):
            self.commands.append([name, place, *parts[start : start + FIELDS_PER_COMMAND]])

    def _place_of(self, key: str) -> int:
        self.keys.append(key)
        return len(self.keys)


def _judge(answer: bytes, partition: int) -> None:
    if answer == b"lost":
        raise LostOwnershipError(f"partition {partition} has another owner")
    if answer == b"moved":
        raise OffsetsMovedError(f"the stored offsets of partition {partition} are not those that the batch follows")


def _known(fields: Stored, request_ids: Sequence[str], met: Sequence[int]) -> Known:
    return Known(
        record=sessions.parse({field.decode(): value for field, value in fields.items()}),
        seen=frozenset(request_id for request_id, known in zip(request_ids, met, strict=True) if known),
    )


def _stored_place(place: Place) -> tuple[str, str, str]:
    return str(place.next_offset), place.last.text() if place.last else "", str(place.epoch_ms)


def _place(step: Step) -> list[str]:
    return [step.topic, str(step.start), str(step.next_offset), step.last.text() if step.last else ""]


def _mark(key: TaskKey) -> str:
    return f"{key[0]} {key[1]}"


def _owner(partition: int) -> str:
    return state.learning(partition, "owner")


def _offsets(partition: int) -> str:
    return state.learning(partition, "offsets")


def _marks(partition: int, kind: MarkKind) -> str:
    return state.learning(partition, f"marks:{kind}")


def _session(partition: int, key: SessionKey) -> str:
    return state.learning(partition, f"session:{key[0]}:{key[1]}")


def _seen(partition: int, key: SessionKey) -> str:
    return state.learning(partition, f"seen:{key[0]}:{key[1]}")
