"""Labels: what a tenant says of the firewall's judgement, as an event with an identity of its own."""

import uuid
from typing import Annotated, Final

import msgspec

from libs.contracts import state
from libs.contracts.events import Label, VerdictLabelled
from libs.contracts.state import MAX_SESSION_ID_CHARS

MAX_COMMENT_CHARS: Final = 2_000
MAX_TEXT_CHARS: Final = 16_000

_REQUEST_ID: Final = "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
"""As the gateway makes them; with a session beside it nothing else would keep other texts out of the log."""

Identifier = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_SESSION_ID_CHARS)]

_EVENT_IDS: Final = uuid.UUID("9a0d0e52-6f3c-4a0b-8a5d-0f9b2c7f6c3e")
_SOURCE: Final = "firewall"


class NoSubjectError(Exception):
    """The body does not say what is labelled."""


class LabelRequest(msgspec.Struct, frozen=True, kw_only=True):
    """
    Body of `POST /v1/firewall/feedback`: a label for one request, or for a session where *request_id* is absent.

    *session_id* may be a completion id or request id that stands for its session. Beside *request_id* it is only needed once
    the gateway no longer remembers the request's session. *text* is what was judged, for training: a blocked prompt is kept nowhere.
    """

    label: Label
    request_id: Annotated[str, msgspec.Meta(pattern=_REQUEST_ID)] | None = None
    session_id: Identifier | None = None
    comment: Annotated[str, msgspec.Meta(max_length=MAX_COMMENT_CHARS)] | None = None
    text: Annotated[str, msgspec.Meta(max_length=MAX_TEXT_CHARS)] | None = None

    def __post_init__(self) -> None:
        if self.request_id is None and self.session_id is None:
            raise NoSubjectError


def event(asked: LabelRequest, *, tenant: str, session_id: str, labeller: str, now_ms: int) -> VerdictLabelled:
    """Return the event of a label; the same subject always makes the same event id."""
    subject = msgspec.json.encode((tenant, session_id, asked.request_id or "")).decode()
    return VerdictLabelled(
        event_id=str(uuid.uuid5(_EVENT_IDS, subject)),
        tenant=tenant,
        session_id=session_id,
        label=asked.label,
        labelled_at_ms=now_ms,
        request_id=asked.request_id,
        labeller=labeller,
        comment=asked.comment or None,
        text=asked.text or None,
    )


def mark_key(event: VerdictLabelled) -> str:
    """Return the key of the mark that lets only the first label of a subject through."""
    return state.feedback_mark(event.tenant, event.session_id, _SOURCE, event.request_id or "")
