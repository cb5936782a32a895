"""A session's record as it is stored: one hash field per hop and per rating, bounded, and the edits between two states."""

from collections.abc import Mapping
from typing import cast

import msgspec

from libs.routing.credit import Hop, Rating, SessionRecord
from libs.routing.statistics import SOURCES, FeedbackSource
from services.aggregator.domain.change import SessionEdit

MAX_HOPS = 1_000
MAX_RATINGS_PER_SOURCE = MAX_HOPS + 1

_HOP = "h:"
_RATING = "r:"


class _StoredHop(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    task: str
    model: str
    day: int
    inferred: bool


class _StoredRating(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    event_id: str
    score: float
    received_at_ms: int


_hop_decoder = msgspec.json.Decoder(_StoredHop)
_rating_decoder = msgspec.json.Decoder(_StoredRating)


def bounded(record: SessionRecord) -> tuple[SessionRecord, tuple[str, ...]]:
    """
    Return the record within its bounds, and the request ids of hops that had to go.

    A session of more than `MAX_HOPS` hops is spoken for by those with the smallest request ids: a fair sample, as ids are
    random, and the same one in whatever order the hops came.
    """
    if len(record.hops) <= MAX_HOPS and len(record.ratings) <= MAX_RATINGS_PER_SOURCE:
        return record, ()
    surplus = tuple(sorted(record.hops)[MAX_HOPS:])
    unheard = {subject for source in SOURCES for subject in _subjects(record, source)[MAX_RATINGS_PER_SOURCE:]}
    return _without(record, hops=frozenset(surplus), ratings=frozenset(unheard)), surplus


def edit(before: SessionRecord, after: SessionRecord, *, seen: tuple[str, ...] = ()) -> SessionEdit:
    """Return what turns the stored form of *before* into that of *after*."""
    hops = {_HOP + key: _encode_hop(hop) for key, hop in after.hops.items() if before.hops.get(key) != hop}
    ratings = {_RATING + key: _encode_rating(r) for key, r in after.ratings.items() if before.ratings.get(key) != r}
    gone = (*(_HOP + key for key in before.hops.keys() - after.hops.keys()),)
    unheard = (*(_RATING + key for key in before.ratings.keys() - after.ratings.keys()),)
    return SessionEdit(written=hops | ratings, dropped=tuple(sorted(gone + unheard)), seen=seen)


def parse(fields: Mapping[str, bytes]) -> SessionRecord:
    """Return the record that the stored *fields* hold."""
    hops: dict[str, Hop] = {}
    ratings: dict[str, Rating] = {}
    for field, value in fields.items():
        name = field[len(_HOP) :]
        if field.startswith(_HOP):
            hops[name] = _hop(name, value)
        else:
            ratings[name] = _rating(name, value)
    return SessionRecord(hops=hops, ratings=ratings)


def _subjects(record: SessionRecord, source: str) -> list[str]:
    return sorted(subject for subject in record.ratings if subject.startswith(f"{source}:"))


def _without(record: SessionRecord, *, hops: frozenset[str], ratings: frozenset[str]) -> SessionRecord:
    return SessionRecord(
        hops={key: hop for key, hop in record.hops.items() if key not in hops},
        ratings={key: rating for key, rating in record.ratings.items() if key not in ratings},
    )


def _encode_hop(hop: Hop) -> bytes:
    return msgspec.json.encode(_StoredHop(task=hop.task, model=hop.model, day=hop.day, inferred=hop.inferred))


def _encode_rating(rating: Rating) -> bytes:
    stored = _StoredRating(event_id=rating.event_id, score=rating.score, received_at_ms=rating.received_at_ms)
    return msgspec.json.encode(stored)


def _hop(request_id: str, value: bytes) -> Hop:
    stored = _hop_decoder.decode(value)
    return Hop(
        request_id=request_id,
        task=stored.task,
        model=stored.model,
        day=stored.day,
        counted=True,
        inferred=stored.inferred,
    )


def _rating(subject: str, value: bytes) -> Rating:
    stored = _rating_decoder.decode(value)
    source, _, request_id = subject.partition(":")
    return Rating(
        event_id=stored.event_id,
        source=cast(FeedbackSource, source),
        score=stored.score,
        request_id=request_id or None,
        received_at_ms=stored.received_at_ms,
    )
