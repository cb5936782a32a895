"""Fakes of the router's ports: they keep in memory what the adapters keep in Redis and Kafka."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from libs.contracts.events import ControlChanged, ControlKind
from libs.contracts.state import Changed
from services.router.domain.entities import Entry, Place, Ref, ref_of
from services.router.domain.projection import project
from services.router.ports import BusyError, ControlLogUnavailableError


class FakeReadModel:
    """A read model in memory; `values` and `fields` are what gateways would read."""

    def __init__(self) -> None:
        self.book: dict[Ref, Entry] = {}
        self.values: dict[str, bytes] = {}
        self.fields: dict[tuple[str, str], bytes] = {}
        self.announced: list[Changed] = []
        self.resume: tuple[Place, str | None] | None = None
        self.busy = False
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def entry(self, ref: Ref) -> Entry | None:
        """Return the newest change of one entity."""
        return self.book.get(ref)

    async def entries(self, tenant: str, kind: ControlKind) -> Sequence[Entry]:
        """Return the newest change of each of the tenant's entities of a kind."""
        return [entry for ref, entry in self.book.items() if (ref.tenant, ref.kind) == (tenant, kind)]

    @asynccontextmanager
    async def exclusive(self, tenant: str) -> AsyncIterator[None]:
        """Hold the tenant's lock."""
        if self.busy:
            raise BusyError(tenant)
        async with self._locks[tenant]:
            yield

    async def apply(self, change: ControlChanged, place: Place) -> None:
        """Keep and project *change*, unless something later of the same log is there."""
        ref = ref_of(change)
        kept = self.book.get(ref)
        if kept is None or not kept.supersedes(place):
            self.book[ref] = Entry(change=change, place=place)
        newest = self.book[ref]
        projection = project(newest.change, version=newest.place.offset)
        for key, value in projection.values.items():
            _put(self.values, key, value)
        for key, value in projection.fields.items():
            _put(self.fields, key, value)
        self.announced.append(projection.changed)

    async def resume_point(self) -> Place | None:
        """Return the place after the last applied change."""
        return None if self.resume is None else self.resume[0]

    async def last_event_id(self) -> str | None:
        """Return the event right before the resume point."""
        return None if self.resume is None else self.resume[1]

    async def keep_resume_point(self, place: Place, *, last_event_id: str | None) -> None:
        """Remember how far the log is applied."""
        self.resume = (place, last_event_id)


class FakeControlLog:
    """A log that is applied to *read_model* at once, unless `lagging`; `down` refuses."""

    def __init__(self, read_model: FakeReadModel) -> None:
        self.changes: list[ControlChanged] = []
        self.down = False
        self.lagging = False
        self._read_model = read_model

    async def append(self, change: ControlChanged) -> None:
        """Keep *change*."""
        if self.down:
            raise ControlLogUnavailableError("down")
        self.changes.append(change)
        if not self.lagging:
            await self._read_model.apply(change, Place(log="log", offset=len(self.changes) - 1))


def _put(store: dict[Any, bytes], key: Any, value: bytes | None) -> None:
    if value is None:
        store.pop(key, None)
    else:
        store[key] = value
