"""Fakes of the router's ports: they keep in memory what the adapters keep in Redis and Kafka."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from typing import Any

from libs.contracts.events import (
    ControlChanged,
    ControlKind,
    FeedbackReceived,
    FirewallVerdict,
    RequestCompleted,
    WeightsPublished,
)
from libs.contracts.state import Changed, FirewallPolicy, SessionState
from libs.routing.priors import Priors, load_priors
from services.router.domain.entities import Entry, Place, Ref, ref_of
from services.router.domain.projection import project
from services.router.domain.queries import Filters, Page
from services.router.domain.transcripts import Turn
from services.router.domain.verification import Arm, Route
from services.router.ports import (
    BusyError,
    ControlLogUnavailableError,
    DecisionLogUnavailableError,
    PolicyUnavailableError,
    ScanUnavailableError,
)


class FakeReadModel:
    """A read model in memory; `values` and `fields` are what gateways would read."""

    def __init__(self) -> None:
        self.book: dict[Ref, Entry] = {}
        self.values: dict[str, bytes] = {}
        self.fields: dict[tuple[str, str], bytes] = {}
        self.announced: list[Changed] = []
        self.resume: tuple[Place, str | None] | None = None
        self.busy = False
        self.down = False
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def entry(self, ref: Ref) -> Entry | None:
        """Return the newest change of one entity."""
        self._check()
        return self.book.get(ref)

    async def entries(self, tenant: str, kind: ControlKind) -> Sequence[Entry]:
        """Return the newest change of each of the tenant's entities of a kind."""
        self._check()
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

    def _check(self) -> None:
        if self.down:
            raise PolicyUnavailableError("down")


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


class FakeDecisionLog:
    """A decision log in memory; `down` makes it unavailable, `broken_after` after that many chunks of an export."""

    def __init__(self) -> None:
        self.requests: list[RequestCompleted] = []
        self.given: list[FeedbackReceived] = []
        self.turns: list[Turn] = []
        self.down = False
        self.broken_after: int | None = None
        self.lands_after = 0
        self.asked = 0

    async def find(self, tenant: str, request_id: str) -> RequestCompleted | None:
        """Return one request, once it was asked for `lands_after` times."""
        self.asked += 1
        self._check()
        found = [r for r in self.requests if (r.tenant, r.request_id) == (tenant, request_id)]
        return found[0] if found and self.asked > self.lands_after else None

    async def page(self, page: Page) -> Sequence[RequestCompleted]:
        """Return one more than the page."""
        self._check()
        rows = sorted(self._matching(page.filters), key=_place, reverse=True)
        if page.after is not None:
            rows = [r for r in rows if _place(r) < (page.after.created_at_ms, page.after.request_id)]
        return rows[: page.limit + 1]

    async def ratings(self, tenant: str, session_ids: Collection[str]) -> Sequence[FeedbackReceived]:
        """Return every rating of these sessions."""
        self._check()
        return [r for r in self.given if r.tenant == tenant and r.session_id in session_ids]

    async def export(self, filters: Filters) -> AsyncIterator[Sequence[RequestCompleted]]:
        """Yield requests two at a time."""
        self._check()
        rows = sorted(self._matching(filters), key=_place)
        for number, start in enumerate(range(0, len(rows), 2)):
            if number == self.broken_after:
                raise DecisionLogUnavailableError("broken")
            yield rows[start : start + 2]

    async def transcripts(self, tenant: str, session_id: str) -> Sequence[Turn]:
        """Return the stored turns of tenant acme's session s1."""
        self._check()
        return self.turns if (tenant, session_id) == ("acme", "s1") else []

    def _matching(self, filters: Filters) -> list[RequestCompleted]:
        session_id = filters.session_id
        return [r for r in self.requests if r.tenant == filters.tenant and session_id in (None, r.session_id)]

    def _check(self) -> None:
        if self.down:
            raise DecisionLogUnavailableError("down")


class FakeOutcomeLog:
    """Outcomes by rule, None for what has no gates of its own; tenants are those that ask."""

    def __init__(self) -> None:
        self.found: dict[str | None, list[Arm]] = {}
        self.shadowed = 0
        self.asked: list[tuple[Route, int]] = []

    async def tenants(self, *, from_ms: int, to_ms: int) -> Sequence[str]:
        """Return the only tenant with traffic."""
        return ["acme"]

    async def arms(self, route: Route, *, since_ms: int) -> Sequence[Arm]:
        """Return the outcomes of a route of acme."""
        self.asked.append((route, since_ms))
        return self.found.get(route.rule_id, []) if route.tenant == "acme" else []

    async def shadowed_sessions(self, route: Route, *, since_ms: int) -> int:
        """Return how many sessions were watched in the shadow."""
        return self.shadowed


class FakeAuditLog:
    """Events of acme in chunks of four; remembers which weights were asked for."""

    def __init__(
        self,
        events: Sequence[RequestCompleted] = (),
        weights: Sequence[WeightsPublished] = (),
        ratings: Sequence[FeedbackReceived] = (),
    ) -> None:
        self.events = events
        self.published = weights
        self.given = ratings
        self.asked: list[set[str]] = []

    async def tenants(self, *, from_ms: int, to_ms: int) -> Sequence[str]:
        """Return the only tenant."""
        return ["acme"]

    async def count(self, filters: Filters) -> int:
        """Return the number of events."""
        return len(self.events)

    async def export(self, filters: Filters) -> AsyncIterator[Sequence[RequestCompleted]]:
        """Yield events as they are, four at a time."""
        for start in range(0, len(self.events), 4):
            yield self.events[start : start + 4]

    async def ratings(self, tenant: str, session_ids: Collection[str]) -> Sequence[FeedbackReceived]:
        """Return the ratings of these sessions."""
        return [rating for rating in self.given if rating.session_id in session_ids]

    async def weights(self, tenant: str, event_ids: Collection[str]) -> Sequence[WeightsPublished]:
        """Return publications by event id."""
        self.asked.append(set(event_ids))
        return [event for event in self.published if event.event_id in event_ids]


class FakeLiveState:
    """Weights by scope and sessions by id."""

    def __init__(self) -> None:
        self.published: dict[str, WeightsPublished] = {}
        self.sessions: dict[str, SessionState] = {}
        self.table = load_priors()

    async def weights(self, scope: str) -> WeightsPublished | None:
        """Return those of a scope."""
        return self.published.get(scope)

    async def benchmarks(self) -> Priors:
        """Return what a test has set."""
        return self.table

    async def session(self, tenant: str, session_id: str) -> SessionState:
        """Return what is remembered."""
        return self.sessions.get(session_id, SessionState())


class FakeFirewall:
    """Finds `verdict` in everything, or fails where it is None."""

    def __init__(self) -> None:
        self.verdict: FirewallVerdict | None = FirewallVerdict(action="allow")
        self.scanned: list[bytes] = []

    async def scan(self, body: bytes, policy: FirewallPolicy) -> FirewallVerdict:
        """Return the verdict."""
        self.scanned.append(body)
        if self.verdict is None:
            raise ScanUnavailableError("down")
        return self.verdict


def _place(event: RequestCompleted) -> tuple[int, str]:
    return event.created_at_ms, event.request_id
