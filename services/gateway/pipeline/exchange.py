"""What an edge hands to the pipeline, and what it gets back."""

from collections.abc import AsyncIterator
from typing import Protocol

import msgspec

from services.gateway.domain.errors import RefusedError

Headers = tuple[tuple[str, str], ...]
JSON = "application/json"
SSE = "text/event-stream; charset=utf-8"


class ChatCall(msgspec.Struct, frozen=True, kw_only=True):
    """One `POST /v1/chat/completions`; *authorization* is that header's value, *request_id* a fresh UUID."""

    request_id: str
    authorization: str | None
    headers: Headers
    body: bytes


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """A whole answer; *headers* hold the content type."""

    status: int
    headers: Headers
    body: bytes


class ChunkStream(Protocol):
    """The bytes of a streamed answer as they arrive; the edge closes it, whatever happens."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Return itself."""

    async def __anext__(self) -> bytes:
        """Return the next bytes to send at once."""

    async def aclose(self) -> None:
        """Say that nobody reads on: ends the provider's work and accounts for what was sent."""


class StreamedAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """An answer whose bytes are still to come."""

    status: int
    headers: Headers
    chunks: ChunkStream


def refusal_answer(refusal: RefusedError, headers: Headers) -> Answer:
    """Return *refusal* as the error object; *headers* name the request, and are added."""
    own = [("content-type", JSON)]
    if refusal.retry_after_s is not None:
        own.append(("retry-after", str(refusal.retry_after_s)))
    return Answer(status=refusal.status, headers=(*own, *headers), body=refusal.body())
