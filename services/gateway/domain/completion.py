"""Whether an answer is whole: only such a one may be served again."""

from typing import Any

import msgspec

from libs.contracts.unreadable import UNREADABLE

WHOLE = frozenset({"stop", "tool_calls", "function_call"})
"""Finish reasons of an answer that says all it wanted to; `length` and `content_filter` cut it short."""


class _Message(msgspec.Struct):
    tool_calls: list[dict[str, Any]] | None = None


class _Choice(msgspec.Struct):
    message: _Message
    finish_reason: str | None = None


class _Completion(msgspec.Struct):
    choices: list[_Choice]


def is_whole(body: bytes) -> bool:
    """Say whether *body* is a chat completion of which every choice has a message and ended by itself."""
    try:
        choices = msgspec.json.decode(body, type=_Completion).choices
    except UNREADABLE:
        return False
    return bool(choices) and all(choice.finish_reason in WHOLE for choice in choices)
