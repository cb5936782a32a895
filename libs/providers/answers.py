"""What a provider's answer says about itself: id, model, why it ended and what it used, plain or streamed."""

import re
from collections.abc import Callable

import msgspec

from libs.contracts.events import Usage
from libs.contracts.unreadable import UNREADABLE
from libs.providers.usage import parse_usage

MAX_EVENT_BYTES = 8 * 1024 * 1024  # A longer event is passed through unread: memory stays bounded.

_EVENT_END = re.compile(rb"(?:\r\n|\n|\r(?=[^\n]))(?:\r\n|\n|\r(?=[^\n]))")
_LONGEST_END = 4
_ONE_LINE = re.compile(rb"data: [^\r\n]*+\n\n")
_NULL = b"null"


class _Choice(msgspec.Struct, frozen=True):
    finish_reason: str | None = None


class _Body(msgspec.Struct, frozen=True):
    id: str | None = None
    model: str | None = None
    choices: list[_Choice] | None = None
    usage: msgspec.Raw = msgspec.Raw(_NULL)
    error: msgspec.Raw = msgspec.Raw(_NULL)


_decoder = msgspec.json.Decoder(_Body)


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """
    A plain answer's account of itself; None for what it does not say.

    *finished* means that every choice has a finish reason; *failed* that the body carries an error.
    """

    completion_id: str | None = None
    model: str | None = None
    finish_reason: str | None = None
    finished: bool = False
    failed: bool = False
    usage: Usage | None = None


def read_answer(body: bytes) -> Answer | None:
    """Return what a chat completion says about itself; None where *body* is no such thing."""
    try:
        read = _decoder.decode(body)
    except UNREADABLE:
        return None
    reasons = [choice.finish_reason for choice in read.choices or ()]
    return Answer(
        completion_id=read.id,
        model=read.model,
        finish_reason=next((reason for reason in reversed(reasons) if reason), None),
        finished=bool(reasons) and all(reasons),
        failed=bytes(read.error) != _NULL,
        usage=parse_usage(read.usage),
    )


def data_of(event: bytes) -> bytes:
    """Return the data of one server-sent event, its lines joined."""
    if _ONE_LINE.fullmatch(event):
        return event[6:-2]
    lines = [line[5:].removeprefix(b" ") for line in event.splitlines() if line.startswith(b"data:")]
    return lines[0] if len(lines) == 1 else b"\n".join(lines)


class SseUsageReader:
    """
    Reads a chat completion's event stream while its bytes pass through.

    `feed` returns the bytes to hand on at once: those it was given, or with *hide_usage* whole events without the chunk that
    carries nothing but usage. *rewrite* is given every event and returns what stands in its place; then too whole events are
    returned. The results are the same however the stream was cut. *done* means `[DONE]` was seen, *failed* an error event.
    """

    def __init__(self, *, hide_usage: bool = False, rewrite: Callable[[bytes], bytes] | None = None) -> None:
        self.completion_id: str | None = None
        self.model: str | None = None
        self.finish_reason: str | None = None
        self.usage: Usage | None = None
        self.done = False
        self.failed = False
        self._hide_usage = hide_usage
        self._rewrite = rewrite or _unchanged
        self._by_event = hide_usage or rewrite is not None
        self._pending = bytearray()

    def feed(self, chunk: bytes) -> bytes:
        """Take the next bytes from upstream; return those for the client."""
        searched = max(0, len(self._pending) - _LONGEST_END)
        self._pending += chunk
        shown = self._complete_events(searched)
        if len(self._pending) > MAX_EVENT_BYTES:
            shown += self._rewrite(bytes(self._pending))
            self._pending.clear()
        return shown if self._by_event else chunk

    def close(self) -> bytes:
        """End the stream; return what was held back because its event never ended."""
        rest = bytes(self._pending)
        self._pending.clear()
        if not self._by_event or not rest:
            self._read(rest)
            return b""
        return self._shown(rest)

    def _complete_events(self, searched: int) -> bytes:
        shown: list[bytes] = []
        start = 0
        while (end := _event_end(self._pending, max(start, searched))) is not None:
            event = bytes(self._pending[start:end])
            shown.append(self._shown(event))
            start = end
        del self._pending[:start]
        return b"".join(shown)

    def _shown(self, event: bytes) -> bytes:
        is_hidden = self._read(event)
        rewritten = self._rewrite(event)
        return b"" if is_hidden else rewritten

    def _read(self, event: bytes) -> bool:
        """Note what *event* says; return whether it is the usage chunk that has to be hidden."""
        data = data_of(event)
        if data == b"[DONE]":
            self.done = True
        if not data.startswith(b"{"):
            return False
        try:
            return self._note(_decoder.decode(data))
        except UNREADABLE:
            return False  # Not a completion chunk: providers may send events of their own, and they pass through.

    def _note(self, body: _Body) -> bool:
        self.completion_id = self.completion_id or body.id
        self.model = self.model or body.model
        self.failed = self.failed or bytes(body.error) != _NULL
        for choice in body.choices or ():
            self.finish_reason = choice.finish_reason or self.finish_reason
        usage = None if bytes(body.usage) == _NULL else parse_usage(body.usage)
        self.usage = usage or self.usage
        return self._hide_usage and usage is not None and body.choices == []


def _unchanged(event: bytes) -> bytes:
    return event


def _event_end(text: bytearray, start: int) -> int | None:
    if b"\r" in text:
        found = _EVENT_END.search(text, start)
        return None if found is None else found.end()
    end = text.find(b"\n\n", start)
    return None if end < 0 else end + 2
