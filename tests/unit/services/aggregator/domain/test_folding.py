"""However a log is ordered, cut into batches or repeated, the sums come out the same, and equal to each session's credit."""

from collections.abc import Iterable, Sequence
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from libs.contracts.events import FeedbackReceived, RequestCompleted
from libs.contracts.topics import DAY_MS
from libs.routing.statistics import MICRO
from services.aggregator.domain import measures, sessions
from services.aggregator.domain.change import Change, SessionKey
from services.aggregator.domain.folding import Known, LearnedEvent, fold, session_of
from tests.unit.services.aggregator.world import NOW_MS, failed, feedback, logs, request

DAY = NOW_MS // DAY_MS


class Books:
    """A state that changes are booked into."""

    def __init__(self) -> None:
        self.known: dict[SessionKey, dict[str, bytes]] = {}
        self.seen: dict[SessionKey, set[str]] = {}
        self.sums: dict[object, dict[str, int]] = {}

    def take(self, events: Sequence[LearnedEvent]) -> Change:
        keys = {session_of(event) for event in events}
        known = {
            key: Known(record=sessions.parse(self.known.get(key, {})), seen=frozenset(self.seen.get(key, ())))
            for key in keys
        }
        change = fold(events, known)
        for key, edit in change.sessions.items():
            fields = self.known.get(key, {}) | edit.written
            self.known[key] = {name: value for name, value in fields.items() if name not in edit.dropped}
            self.seen.setdefault(key, set()).update(edit.seen)
        for key, gains in (*change.statistics.items(), *change.counters.items()):
            self.sums[key] = measures.total([self.sums.get(key, {}), gains])
        self.sums = {key: fields for key, fields in self.sums.items() if fields}
        return change


def booked(batches: Iterable[Sequence[LearnedEvent]]) -> Books:
    books = Books()
    for batch in batches:
        books.take(batch)
    return books


def cut(events: Sequence[LearnedEvent], places: Iterable[int]) -> list[Sequence[LearnedEvent]]:
    bounds = [0, *sorted(place % (len(events) + 1) for place in places), len(events)]
    return [events[start:end] for start, end in pairwise(bounds)]


def evidence(books: Books, task: str = "chat", tenant: str = "acme") -> dict[tuple[str, str], tuple[int, int]]:
    statistics = measures.parse(task, books.sums.get((tenant, task), {}))
    return {(cell.source, cell.model): (item.n, item.sum_x) for cell, item in statistics.evidence.items()}


@settings(max_examples=150)
@given(log=logs(), order=st.randoms(), places=st.lists(st.integers(0, 50), max_size=5))
def test_order_cuts_and_repetitions_do_not_matter(log, order, places):
    in_one = booked([log])
    shuffled = log + log[: len(log) // 2]
    order.shuffle(shuffled)
    in_many = booked(cut(shuffled, places))
    assert in_one.sums == in_many.sums
    assert in_one.known == in_many.known


@given(log=logs())
def test_repeating_a_log_changes_nothing_and_is_counted(log):
    books = booked([log])
    again = books.take(log)
    assert {} == again.statistics
    assert {} == again.counters
    assert len(log) == again.duplicates


def test_a_rating_reaches_every_hop_of_its_session_with_a_weight_of_one_in_total():
    books = booked([[request("r1"), request("r2", model="m2"), feedback(score=0.5)]])
    half = MICRO // 2
    assert {("session", "m1"): (half, half // 2), ("session", "m2"): (half, half // 2)} == evidence(books)
    assert {"requests": 2, "rated_sessions": 1} == books.sums["acme"]


def test_a_rating_counts_once_its_requests_arrive():
    books = booked([[feedback()]])
    assert {} == books.sums
    change = books.take([request()])
    assert {("session", "m1"): (MICRO, 900_000)} == evidence(books)
    assert {("acme", "chat")} == change.rated


def test_the_first_rating_received_wins_whichever_arrives_first():
    late, early = feedback("f2", score=0.1, received_at_ms=NOW_MS + 9), feedback("f1", score=0.7)
    for order in ([late, early], [early, late]):
        assert {("session", "m1"): (MICRO, 700_000)} == evidence(booked([[request()], order[:1], order[1:]]))


def test_an_inferred_session_is_never_joined_but_its_request_can_be_rated():
    hop = request(session_inferred=True)
    judged = feedback("f2", source="auto", request_id="r1", score=0.25)
    books = booked([[hop, feedback(), judged]])
    assert {("auto", "m1"): (MICRO, 250_000)} == evidence(books)
    assert {"requests": 1} == books.sums["acme"]


def test_only_what_a_model_really_served_speaks_for_it():
    others = [request(f"r{n}", status=s) for n, s in enumerate(("cache_hit", "blocked", "failed", "cancelled"))]
    books = booked([[*others, request("r9", cache="exact"), feedback()]])
    assert {} == evidence(books)


def test_operations_count_what_was_served_and_what_failed_upstream():
    books = booked(
        [[request("r1", attempts=(failed("m2"),)), request("r2", status="failed", attempts=(failed("m2"),))]]
    )
    operations = measures.parse("chat", books.sums["acme", "chat"]).operations
    assert measures.Operations(errors=2) == operations["m2", DAY]
    served = measures.Operations(requests=1, fresh_input=10, output=5, cost_micro_usd=100, latency_ms=20)
    assert served == operations["m1", DAY]


def test_a_request_met_before_is_not_counted_again_even_where_it_is_no_hop():
    books = booked([[request(status="cache_hit")]])
    assert 1 == books.take([request(status="cache_hit")]).duplicates
    assert {"requests": 1} == books.sums["acme"]


def test_a_session_without_end_is_bounded_and_order_is_still_no_matter(monkeypatch):
    monkeypatch.setattr(sessions, "MAX_HOPS", 3)
    hops: list[RequestCompleted | FeedbackReceived] = [request(f"r{n}", model=f"m{n}") for n in range(6)]
    forward, backward = (
        booked([[hop] for hop in [*hops, feedback()]]),
        booked([[feedback()], *([h] for h in hops[::-1])]),
    )
    assert forward.sums == backward.sums
    assert {"m0", "m1", "m2"} == {model for _, model in evidence(forward)}
    assert 3 == len([field for field in forward.known["acme", "s1"] if field.startswith("h:")])
    assert 6 == forward.take(hops).duplicates
