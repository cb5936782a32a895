"""Ratings as events: who rated what, and the identity that makes a repetition the same event."""

import uuid
from typing import Annotated

import msgspec

from libs.contracts import state
from libs.contracts.events import FeedbackReceived, TranscriptRecorded
from services.feedback_ingest.domain.dialects import Identifier, InvalidFeedbackError, Nps, Submission

_EVENT_IDS = uuid.UUID("0c6f4d8e-9e0b-4f4c-8a3b-3f9a2f6f5b51")


class ManualRating(msgspec.Struct, frozen=True, kw_only=True):
    """
    Body of `POST /v1/ratings`: an admin's rating of one request, or of a whole session where *request_id* is absent.

    *session_id* beside *request_id* is only needed once the gateway no longer remembers the request's session.
    """

    score: Nps
    request_id: Annotated[Identifier, msgspec.Meta(pattern="^(?!chatcmpl-)")] | None = None
    session_id: Identifier | None = None

    def __post_init__(self) -> None:
        if self.request_id is None and self.session_id is None:
            raise InvalidFeedbackError("name what is rated: request_id or session_id", field="request_id")


def session_rating(submission: Submission, *, tenant: str, session_id: str, now_ms: int) -> FeedbackReceived:
    """Return the event for a user's rating of a session."""
    return FeedbackReceived(
        event_id=_event_id(tenant, session_id, "session", ""),
        tenant=tenant,
        session_id=session_id,
        source="session",
        score=submission.score,
        received_at_ms=now_ms,
        nps=submission.nps,
        useful=submission.useful,
    )


def manual_rating(rating: ManualRating, *, tenant: str, session_id: str, rater: str, now_ms: int) -> FeedbackReceived:
    """Return the event for an admin's rating of *session_id*, or of one request in it."""
    return FeedbackReceived(
        event_id=_event_id(tenant, session_id, "manual", rating.request_id or ""),
        tenant=tenant,
        session_id=session_id,
        source="manual",
        score=rating.score / 10,
        received_at_ms=now_ms,
        request_id=rating.request_id,
        rater=rater,
    )


def automatic_rating(transcript: TranscriptRecorded, score: float, *, judge: str, now_ms: int) -> FeedbackReceived:
    """Return the event for the judge model's *score* in [0, 1] of one request."""
    return FeedbackReceived(
        event_id=_event_id(transcript.tenant, transcript.session_id, "auto", transcript.request_id),
        tenant=transcript.tenant,
        session_id=transcript.session_id,
        source="auto",
        score=score,
        received_at_ms=now_ms,
        request_id=transcript.request_id,
        rater=judge,
    )


def mark_key(event: FeedbackReceived) -> str:
    """
    Return the key of the mark that lets only the first rating of its subject through.

    A session has one rating of each source, and a request of its own one automatic and one manual rating, whoever gives it:
    what the learner counts is what the caller is told was taken.
    """
    return state.feedback_mark(event.tenant, event.session_id, event.source, event.request_id or "")


def automatic_mark_key(transcript: TranscriptRecorded) -> str:
    """Return the key of the mark of the automatic rating that *transcript* has or may get."""
    return state.feedback_mark(transcript.tenant, transcript.session_id, "auto", transcript.request_id)


def _event_id(tenant: str, session_id: str, source: str, subject: str) -> str:
    name = msgspec.json.encode((tenant, session_id, source, subject)).decode()
    return str(uuid.uuid5(_EVENT_IDS, name))
