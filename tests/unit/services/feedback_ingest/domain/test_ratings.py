"""The same subject is the same event and the same mark; different subjects never are."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.contracts.events import FeedbackReceived, TranscriptRecorded
from services.feedback_ingest.domain import ratings
from services.feedback_ingest.domain.dialects import InvalidFeedbackError, Submission
from services.feedback_ingest.domain.ratings import ManualRating

TRANSCRIPT = TranscriptRecorded(
    event_id="e",
    request_id="r-1",
    tenant="acme",
    session_id="s-1",
    created_at_ms=1,
    expires_at_ms=2,
    model="m",
    provider="p",
    request="{}",
    response="{}",
)


def session(score: float = 0.9, now_ms: int = 1, tenant: str = "acme", session_id: str = "s-1") -> FeedbackReceived:
    submission = Submission(score=score, nps=round(score * 10), useful=True)
    return ratings.session_rating(submission, tenant=tenant, session_id=session_id, now_ms=now_ms)


def manual(rater: str = "k", request_id: str | None = "r-1", score: int = 5) -> FeedbackReceived:
    rating = ManualRating(score=score, request_id=request_id, session_id="s-1")
    return ratings.manual_rating(rating, tenant="acme", session_id="s-1", rater=rater, now_ms=1)


def test_a_repeated_rating_has_the_identity_of_the_first_whatever_it_says():
    assert session(0.9, 1).event_id == session(0.1, 2).event_id


def test_subjects_are_told_apart():
    events = [
        session(),
        session(tenant="beta"),
        session(session_id="s-2"),
        manual(),
        manual(request_id=None),
        ratings.automatic_rating(TRANSCRIPT, 0.5, judge="j", now_ms=1),
    ]
    assert (
        len(events) == len({event.event_id for event in events}) == len({ratings.mark_key(event) for event in events})
    )


def test_a_second_admin_rates_nothing_new():
    """The learner counts one manual rating of a request, so only one is taken."""
    assert ratings.mark_key(manual()) == ratings.mark_key(manual(rater="other"))
    assert manual().event_id == manual(rater="other").event_id


identifier = st.text(min_size=1, max_size=6)


@given(st.tuples(identifier, identifier), st.tuples(identifier, identifier))
def test_no_choice_of_ids_makes_two_sessions_one_event(one: tuple[str, str], other: tuple[str, str]):
    first, second = (session(tenant=tenant, session_id=session_id) for tenant, session_id in (one, other))
    assert (one == other) == (first.event_id == second.event_id)


def test_the_mark_of_an_automatic_rating_is_known_before_it_is_made():
    event = ratings.automatic_rating(TRANSCRIPT, 0.5, judge="j", now_ms=1)
    assert ratings.automatic_mark_key(TRANSCRIPT) == ratings.mark_key(event)


def test_a_manual_rating_says_who_rated_what():
    event = manual(score=7)
    assert ("manual", 0.7, "r-1", "k", None) == (event.source, event.score, event.request_id, event.rater, event.nps)


def test_a_manual_rating_needs_a_subject():
    with pytest.raises(InvalidFeedbackError) as caught:
        msgspec.json.decode(b'{"score":5}', type=ManualRating)
    assert caught.value.field == "request_id"


def test_a_completion_id_is_not_a_request_id():
    with pytest.raises(msgspec.ValidationError, match="request_id"):
        msgspec.json.decode(b'{"score":5,"request_id":"chatcmpl-1"}', type=ManualRating)
