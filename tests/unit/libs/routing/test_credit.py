"""One rating reaches every decision of its session, whatever the order in which things arrive, and counts once."""

from collections import defaultdict

from hypothesis import given
from hypothesis import strategies as st

from libs.routing.credit import (
    Hop,
    Rating,
    SessionRecord,
    change,
    contributions,
    is_rated,
    score_of,
    with_hop,
    with_rating,
)
from libs.routing.statistics import MICRO, SOURCES, Cell, Moments, add

hops = st.builds(
    Hop,
    request_id=st.sampled_from([f"r{n}" for n in range(7)]),
    task=st.sampled_from(["chat", "coding"]),
    model=st.sampled_from(["a", "b"]),
    day=st.integers(0, 3),
    counted=st.booleans(),
    expected=st.floats(0, 1),
    inferred=st.booleans(),
)
ratings = st.builds(
    Rating,
    event_id=st.uuids().map(str),
    source=st.sampled_from(SOURCES),
    score=st.integers(0, 10).map(lambda score: score / 10),
    request_id=st.none() | st.sampled_from([f"r{n}" for n in range(7)]),
    received_at_ms=st.integers(0, 5),
)
facts = st.lists(hops | ratings, max_size=14)


def record_of(arrivals: list[Hop | Rating]) -> SessionRecord:
    record = SessionRecord()
    for fact in arrivals:
        record = with_hop(record, fact) if isinstance(fact, Hop) else with_rating(record, fact)
    return record


def a_hop(name: str, **fields: object) -> Hop:
    return Hop(**{"request_id": name, "task": "chat", "model": "a", "day": 0, "counted": True, **fields})


def a_rating(score: float, **fields: object) -> Rating:
    return Rating(**{"event_id": "e", "source": "session", "score": score, **fields})


@given(facts, st.randoms(use_true_random=False))
def test_order_lateness_and_repetition_do_not_matter(arrivals: list[Hop | Rating], rng: object) -> None:
    shuffled = [*arrivals, *arrivals[:3]]
    rng.shuffle(shuffled)
    assert contributions(record_of(arrivals)) == contributions(record_of(shuffled))
    assert record_of(arrivals).hops == record_of(shuffled).hops


@given(facts)
def test_the_changes_along_the_way_add_up_to_the_whole(arrivals: list[Hop | Rating]) -> None:
    total: dict[Cell, Moments] = {}
    before = SessionRecord()
    for upto in range(1, len(arrivals) + 1):
        after = record_of(arrivals[:upto])
        total = add(total, change(before, after))
        before = after
    assert contributions(record_of(arrivals)) == total


@given(facts)
def test_a_session_weighs_one_per_source_or_nothing(arrivals: list[Hop | Rating]) -> None:
    weight: dict[str, int] = defaultdict(int)
    for cell, moments in contributions(record_of(arrivals)).items():
        weight[cell.source] += moments.n
        assert 0 <= moments.sum_xx <= moments.sum_x <= moments.n
    assert set(weight.values()) <= {MICRO}


def test_the_score_is_copied_to_every_hop_that_a_model_served() -> None:
    record = record_of(
        [a_hop("r1"), a_hop("r2", model="b"), a_hop("r3", counted=False), a_hop("r4", model="b"), a_rating(0.9)]
    )
    found = contributions(record)
    assert {"a": 333_334, "b": 666_666} == {cell.model: moments.n for cell, moments in found.items()}
    assert {"a": 300_000, "b": 599_998} == {cell.model: moments.sum_x for cell, moments in found.items()}


def test_a_second_rating_of_the_same_source_never_counts() -> None:
    record = record_of([a_hop("r1"), a_rating(0.2, received_at_ms=1), a_rating(1.0, event_id="f", received_at_ms=2)])
    (moments,) = contributions(record).values()
    assert 200_000 == moments.sum_x


def test_a_rating_of_a_request_goes_before_that_of_its_session() -> None:
    record = record_of(
        [a_hop("r1"), a_hop("r2"), a_rating(1.0, source="auto"), a_rating(0.0, source="auto", request_id="r2")]
    )
    (moments,) = contributions(record).values()
    assert (MICRO, MICRO // 2) == (moments.n, moments.sum_x)


def test_a_session_that_was_only_inferred_is_not_rated_but_its_requests_are() -> None:
    record = record_of([a_hop("r1", inferred=True), a_rating(1.0), a_rating(0.5, source="manual", request_id="r1")])
    assert {"manual"} == {cell.source for cell in contributions(record)}
    assert not is_rated(record)
    assert score_of(record, record.hops["r1"], "session") is None


def test_a_session_counts_as_rated_once_rating_and_served_request_have_met() -> None:
    early = record_of([a_rating(1.0)])
    assert not is_rated(early)
    assert not is_rated(with_hop(early, a_hop("r1", counted=False)))
    assert is_rated(with_hop(early, a_hop("r2")))


def test_surprise_gives_each_hop_what_was_expected_plus_what_was_not() -> None:
    record = record_of([a_hop("r1", expected=0.9), a_hop("r2", model="b", expected=0.5), a_rating(0.8)])
    found = {cell.model: moments.sum_x / moments.n for cell, moments in contributions(record, "surprise").items()}
    assert {"a": 1.0, "b": 0.6} == found
