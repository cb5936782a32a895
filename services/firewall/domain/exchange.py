"""An exchange as the deep scan reads it: what tools returned, and what the model answered."""

from collections.abc import Callable
from typing import Literal

import msgspec

from libs.contracts.events import TranscriptRecorded
from libs.contracts.unreadable import UNREADABLE
from libs.scanner.text import Role, Segment, extract, extract_answer

Origin = Literal["tool_result", "answer"]

_NOT_FROM_TOOLS: frozenset[Role] = frozenset({"system", "user", "assistant", "definition"})


class Passage(msgspec.Struct, frozen=True, kw_only=True):
    """Texts of one exchange that share an origin and get one verdict."""

    origin: Origin
    segments: tuple[Segment, ...]


def passages(transcript: TranscriptRecorded) -> tuple[Passage, ...]:
    """Return what tools returned and what the model answered, where there is any; a body that is not JSON is one text."""
    found = (
        Passage(origin="tool_result", segments=_read(transcript.request, _tool_results, "tool")),
        Passage(origin="answer", segments=_read(transcript.response, extract_answer, "assistant")),
    )
    return tuple(passage for passage in found if passage.segments)


def _tool_results(body: bytes) -> tuple[Segment, ...]:
    return extract(body, skip=_NOT_FROM_TOOLS)


def _read(body: str, extraction: Callable[[bytes], tuple[Segment, ...]], role: Role) -> tuple[Segment, ...]:
    try:
        return extraction(body.encode())
    except UNREADABLE:
        return (Segment(role=role, text=body),) if body else ()
