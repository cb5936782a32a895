"""An exchange as the deep scan reads it: what was asked, what tools returned, and what the model answered."""

import hashlib
from collections.abc import Callable
from typing import Final, Literal

import msgspec

from libs.contracts.events import TranscriptRecorded
from libs.contracts.unreadable import UNREADABLE
from libs.scanner.text import Role, Segment, extract, extract_answer

Origin = Literal["tool_result", "answer", "prompt"]

_NOT_READ: Final[frozenset[Role]] = frozenset({"system", "assistant", "definition"})
_DIGEST_BYTES: Final = 16


class Passage(msgspec.Struct, frozen=True, kw_only=True):
    """Texts of one exchange that share an origin and get one verdict."""

    origin: Origin
    segments: tuple[Segment, ...]


def passages(transcript: TranscriptRecorded) -> tuple[Passage, ...]:
    """
    Return what tools returned, what users said and what the model answered, where there is any.

    A request that is not JSON is what a tool returned, for nobody can tell; an answer that is not JSON is one text.
    """
    asked = _read(transcript.request, lambda body: extract(body, skip=_NOT_READ), "tool")
    found = (
        Passage(origin="tool_result", segments=tuple(segment for segment in asked if segment.role == "tool")),
        Passage(origin="prompt", segments=tuple(segment for segment in asked if segment.role == "user")),
        Passage(origin="answer", segments=_read(transcript.response, extract_answer, "assistant")),
    )
    return tuple(passage for passage in found if passage.segments)


def digest(transcript: TranscriptRecorded, segment: Segment) -> str:
    """
    Return what a text is known by within its session.

    It is the same in every exchange that repeats the text, and tells nothing about equal texts of other sessions.
    """
    session = hashlib.blake2b(f"{transcript.tenant}:{transcript.session_id}".encode()).digest()
    said = f"{segment.role}:{segment.text}".encode("utf-8", "surrogatepass")
    return hashlib.blake2b(said, digest_size=_DIGEST_BYTES, key=session).hexdigest()


def _read(body: str, extraction: Callable[[bytes], tuple[Segment, ...]], role: Role) -> tuple[Segment, ...]:
    try:
        return extraction(body.encode())
    except UNREADABLE:
        return (Segment(role=role, text=body),) if body else ()
