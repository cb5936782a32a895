"""From the ratings of one session to evidence about the models that served it."""

from collections.abc import Iterator
from typing import Literal, TypeAlias

import msgspec

from libs.routing.statistics import MICRO, SOURCES, Cell, FeedbackSource, Moments, observe, subtract

Credit: TypeAlias = Literal["copy", "surprise"]


class Hop(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """
    One request of a session.

    *counted* says that the model really served it: no cache hit, block, failure or cancel. *expected* is the winner's score
    when it was chosen. An *inferred* session was not named by the client: ratings of the session never reach the hop.
    """

    request_id: str
    task: str
    model: str
    day: int
    counted: bool
    expected: float = 0.0
    inferred: bool = False


class Rating(msgspec.Struct, frozen=True, kw_only=True):
    """One rating of a session, or of one request where *request_id* is set; *score* lies in [0, 1]."""

    event_id: str
    source: FeedbackSource
    score: float
    request_id: str | None = None
    received_at_ms: int = 0

    @property
    def subject(self) -> str:
        """Return what is rated under which source: of all ratings of one subject the first received counts."""
        return f"{self.source}:{self.request_id or ''}"


class SessionRecord(msgspec.Struct, frozen=True, kw_only=True):
    """All that is known of one session: hops by request id, and the first rating by subject."""

    hops: dict[str, Hop] = {}
    ratings: dict[str, Rating] = {}


def with_hop(record: SessionRecord, hop: Hop) -> SessionRecord:
    """Return the record knowing *hop*; the same again changes nothing, and of two versions the order is no matter."""
    known = record.hops.get(hop.request_id)
    if known is not None and known <= hop:
        return record
    return SessionRecord(hops={**record.hops, hop.request_id: hop}, ratings=record.ratings)


def with_rating(record: SessionRecord, rating: Rating) -> SessionRecord:
    """Return the record knowing *rating*, which counts only if it was received before any other of its subject."""
    known = record.ratings.get(rating.subject)
    if known is not None and (known.received_at_ms, known.event_id) <= (rating.received_at_ms, rating.event_id):
        return record
    return SessionRecord(hops=record.hops, ratings={**record.ratings, rating.subject: rating})


def contributions(record: SessionRecord, credit: Credit = "copy") -> dict[Cell, Moments]:
    """
    Return the evidence of one session, in millionths.

    Per source a session weighs exactly one in total, split evenly over the counted hops that a rating reaches; the remainder
    of the division goes to the first ones by request id. A rating of a request goes before that of its session. With credit
    `surprise` a hop gets the score expected of it plus what the session's rating had more than expected on average.
    """
    cells: dict[Cell, Moments] = {}
    for source in SOURCES:
        rated = _rated(record, source)
        base, remainder = divmod(MICRO, len(rated) or 1)
        surplus = _surplus(rated) if credit == "surprise" else None
        for rank, (hop, score) in enumerate(rated):
            cell = Cell(task=hop.task, model=hop.model, source=source, day=hop.day)
            x = score if surplus is None else _micro(hop.expected + surplus)
            cells[cell] = cells.get(cell, Moments()) + observe(x, base + (rank < remainder))
    return cells


def change(old: SessionRecord, new: SessionRecord, credit: Credit = "copy") -> dict[Cell, Moments]:
    """Return what the statistics gain when a session goes from *old* to *new*; parts may be negative."""
    return subtract(contributions(new, credit), contributions(old, credit))


def is_rated(record: SessionRecord) -> bool:
    """Say whether the session counts as rated: its own rating reached a hop that a model served."""
    return "session:" in record.ratings and any(hop.counted and not hop.inferred for hop in record.hops.values())


def score_of(record: SessionRecord, hop: Hop, source: FeedbackSource) -> Rating | None:
    """Return the rating that reaches *hop* under *source*: its own, else the session's, else None."""
    own = record.ratings.get(f"{source}:{hop.request_id}")
    if own is not None or hop.inferred:
        return own
    return record.ratings.get(f"{source}:")


def _rated(record: SessionRecord, source: FeedbackSource) -> list[tuple[Hop, int]]:
    return list(_reached(record, source))


def _reached(record: SessionRecord, source: FeedbackSource) -> Iterator[tuple[Hop, int]]:
    for _, hop in sorted(record.hops.items()):
        rating = score_of(record, hop, source) if hop.counted else None
        if rating is not None:
            yield hop, _micro(rating.score)


def _surplus(rated: list[tuple[Hop, int]]) -> float:
    if not rated:
        return 0.0
    return sum(score / MICRO - hop.expected for hop, score in rated) / len(rated)


def _micro(score: float) -> int:
    return round(min(1.0, max(0.0, score)) * MICRO)
