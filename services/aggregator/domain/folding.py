"""The session join: what a batch of requests and ratings changes, given the sessions that it touches."""

from collections.abc import Iterable, Mapping
from typing import TypeAlias

import msgspec

from libs.contracts.events import FeedbackReceived, RequestCompleted
from libs.routing import credit
from libs.routing.credit import Hop, Rating, SessionRecord
from services.aggregator.domain import measures, sessions
from services.aggregator.domain.change import COUNTERS, Change, SessionEdit, SessionKey, TaskKey

LearnedEvent: TypeAlias = RequestCompleted | FeedbackReceived


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """What is stored of a session: its record, and which of the batch's other request ids were met before."""

    record: SessionRecord = SessionRecord()
    seen: frozenset[str] = frozenset()


def session_of(event: LearnedEvent) -> SessionKey:
    """Return the (tenant, session id) that the event belongs to."""
    return event.tenant, event.session_id


def fold(events: Iterable[LearnedEvent], known: Mapping[SessionKey, Known]) -> Change:
    """
    Return the change that *events* make, where *known* holds each session they touch (absent: never heard of).

    The sum of all changes of a log is the same however it is cut into batches, in whatever order the events of a session
    come, and however often they come.
    """
    tally = _Tally()
    for key, of_session in _by_session(events).items():
        _Joining(tally, key, known.get(key, Known())).join(of_session)
    return tally.change()


def _by_session(events: Iterable[LearnedEvent]) -> dict[SessionKey, list[LearnedEvent]]:
    grouped: dict[SessionKey, list[LearnedEvent]] = {}
    for event in events:
        grouped.setdefault(session_of(event), []).append(event)
    return grouped


class _Tally:
    """The change of a batch while it is being summed up."""

    def __init__(self) -> None:
        self.sessions: dict[SessionKey, SessionEdit] = {}
        self.statistics: dict[TaskKey, dict[str, int]] = {}
        self.counters: dict[str, dict[str, int]] = {}
        self.rated: set[TaskKey] = set()
        self.observed: set[TaskKey] = set()
        self.duplicates = 0
        self.rated_at_ms: int | None = None

    def add(self, key: TaskKey, fields: Iterable[tuple[str, int]]) -> None:
        _add(self.statistics.setdefault(key, {}), fields)
        self.observed.add(key)

    def count(self, tenant: str, name: str, gain: int) -> None:
        _add(self.counters.setdefault(tenant, {}), [(name, gain)])
        if gain:
            self.observed.add((tenant, COUNTERS))

    def change(self) -> Change:
        return Change(
            sessions=self.sessions,
            statistics=_without_zeros(self.statistics),
            counters=_without_zeros(self.counters),
            rated=frozenset(self.rated),
            observed=frozenset(self.observed),
            duplicates=self.duplicates,
            rated_at_ms=self.rated_at_ms,
        )


class _Joining:
    """One session taking in its part of a batch."""

    def __init__(self, tally: _Tally, key: SessionKey, known: Known) -> None:
        self._tally = tally
        self._tenant = key[0]
        self._key = key
        self._before = known.record
        self._record = known.record
        self._met = set(known.seen)
        self._newly_seen: list[str] = []

    def join(self, events: Iterable[LearnedEvent]) -> None:
        for event in events:
            if isinstance(event, RequestCompleted):
                self._take_request(event)
            else:
                self._take_rating(event)
        self._settle()

    def _take_request(self, event: RequestCompleted) -> None:
        if event.request_id in self._record.hops or event.request_id in self._met:
            self._tally.duplicates += 1
            return
        self._observe(event)
        if not measures.served_by_model(event):
            self._remember_only(event.request_id)
            return
        self._record, evicted = sessions.bounded(credit.with_hop(self._record, _hop(event)))
        for request_id in evicted:
            self._remember_only(request_id)

    def _observe(self, event: RequestCompleted) -> None:
        self._tally.count(self._tenant, measures.REQUESTS, int(measures.is_request_of_tenant(event)))
        if event.decision is None:
            return
        day = measures.day_of(event.created_at_ms)
        for model, operations in measures.operations_of(event):
            fields = measures.operations_fields(model, day, operations)
            self._tally.add((self._tenant, event.decision.task), fields)

    def _remember_only(self, request_id: str) -> None:
        self._met.add(request_id)
        self._newly_seen.append(request_id)

    def _take_rating(self, event: FeedbackReceived) -> None:
        record, _ = sessions.bounded(credit.with_rating(self._record, _rating(event)))
        if record == self._record:
            self._tally.duplicates += 1
            return
        self._record = record
        oldest = self._tally.rated_at_ms
        self._tally.rated_at_ms = event.received_at_ms if oldest is None else min(oldest, event.received_at_ms)

    def _settle(self) -> None:
        for cell, moments in credit.change(self._before, self._record).items():
            self._tally.add((self._tenant, cell.task), measures.evidence_fields(cell, moments))
            self._tally.rated.add((self._tenant, cell.task))
        newly_rated = int(credit.is_rated(self._record)) - int(credit.is_rated(self._before))
        self._tally.count(self._tenant, measures.RATED_SESSIONS, newly_rated)
        edit = sessions.edit(self._before, self._record, seen=tuple(self._newly_seen))
        if edit != SessionEdit():
            self._tally.sessions[self._key] = edit


def _hop(event: RequestCompleted) -> Hop:
    if event.decision is None or event.model is None:
        raise ValueError("a hop needs the model that served it and the task that was decided")
    return Hop(
        request_id=event.request_id,
        task=event.decision.task,
        model=event.model,
        day=measures.day_of(event.created_at_ms),
        counted=True,
        inferred=event.session_inferred,
    )


def _rating(event: FeedbackReceived) -> Rating:
    return Rating(
        event_id=event.event_id,
        source=event.source,
        score=event.score,
        request_id=event.request_id,
        received_at_ms=event.received_at_ms,
    )


def _add(sums: dict[str, int], fields: Iterable[tuple[str, int]]) -> None:
    for field, gain in fields:
        sums[field] = sums.get(field, 0) + gain


def _without_zeros(sums: Mapping[TaskKey, dict[str, int]] | Mapping[str, dict[str, int]]) -> dict:  # type: ignore[type-arg]
    kept = ((key, {field: gain for field, gain in fields.items() if gain}) for key, fields in sums.items())
    return {key: fields for key, fields in kept if fields}
