"""A session restored from its stored bodies: the conversation so far, ready for the next request."""

from collections.abc import Sequence
from typing import Any

import msgspec

from services.router.domain.queries import rfc3339


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """One stored exchange; *request* and *response* are its bodies as JSON text."""

    request_id: str
    created_at_ms: int
    model: str
    provider: str
    request: str
    response: str


class TurnView(msgspec.Struct, frozen=True, kw_only=True):
    """Where a part of the conversation came from."""

    request_id: str
    created_at: str
    model: str
    provider: str


class SessionView(msgspec.Struct, frozen=True, kw_only=True):
    """A session on the wire; *messages* fit into the next chat request."""

    session_id: str
    messages: list[dict[str, Any]]
    turn_count: int
    turns: list[TurnView]


class _Choice(msgspec.Struct):
    message: dict[str, Any] | None = None


class _Request(msgspec.Struct):
    messages: list[dict[str, Any]] = []


class _Response(msgspec.Struct):
    choices: list[_Choice] = []


def restore(session_id: str, turns: Sequence[Turn]) -> SessionView:
    """Return the conversation of *turns*, oldest first; a turn whose request carries the history does not repeat it."""
    messages: list[dict[str, Any]] = []
    for turn in turns:
        sent = msgspec.json.decode(turn.request, type=_Request).messages
        messages = (sent if _continues(sent, messages) else messages + sent) + _answer(turn)
    return SessionView(
        session_id=session_id,
        messages=messages,
        turn_count=len(turns),
        turns=[
            TurnView(
                request_id=turn.request_id,
                created_at=rfc3339(turn.created_at_ms),
                model=turn.model,
                provider=turn.provider,
            )
            for turn in turns
        ],
    )


def _continues(sent: list[dict[str, Any]], messages: list[dict[str, Any]]) -> bool:
    """Say whether *sent* begins with *messages*; clients drop fields of an answer that they send back."""
    said = [[message.get(key) for key in ("role", "content", "tool_calls")] for message in sent[: len(messages)]]
    return said == [[message.get(key) for key in ("role", "content", "tool_calls")] for message in messages]


def _answer(turn: Turn) -> list[dict[str, Any]]:
    choices = msgspec.json.decode(turn.response, type=_Response).choices
    message = choices[0].message if choices else None
    return [] if message is None else [message]
