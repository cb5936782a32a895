"""
JSON text redacted where it stands: its strings and whole numbers are rewritten, every other character stays.

A body is never decoded as a whole: that would hold up an event loop for milliseconds where it is large.
"""

import re
from collections.abc import Generator, Iterator
from typing import Final, Protocol, TypeAlias

from libs.redaction.literals import closing_quote, decoded, encoded
from libs.redaction.pieces import USUAL, cut

Slices: TypeAlias = Generator[None, None, str]
"""Work that yields between slices and returns a text."""

_DEEPEST: Final = 3
_SHORTEST: Final = 6
_SHORTEST_SECRET: Final = 16
_LONGEST_NAME: Final = 64
_BASE64: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=_-"
_BASE64_AT_ONCE: Final = 65_536
_PUNCTUATION: Final = " \n\r\t{}[]:,"
_BETWEEN: Final = re.compile(r"[ \n\r\t{}\[\]:,0-9+\-.eE]*+(?:(?:true|false|null)[ \n\r\t{}\[\]:,0-9+\-.eE]*+)*+")
_WHOLE_NUMBER: Final = re.compile(r"(?<![0-9.eE+\-])[0-9]{7,19}(?![0-9.eE])")


class Redacts(Protocol):
    """What is done with the texts of a body, each with the *name* of the field that holds it."""

    def piece(self, text: str, name: str) -> str:
        """Return *text* with placeholders."""

    def knows(self, raw: str, name: str) -> bool:
        """Say whether the inside of a literal is known to hold nothing."""

    def remember(self, raw: str, name: str) -> None:
        """Take note that it holds nothing."""


def redacted(text: str, redact: Redacts, name: str = "", depth: int = 0) -> Slices:
    """
    Return *text* with everything that it says passed through *redact*; yields between slices of a few thousand characters.

    JSON keeps its form; in a string of it there may be JSON again, as in the arguments of a tool call. Anything else is text.
    """
    if depth < _DEEPEST and text.lstrip(" \n\r\t")[:1] in ("{", "["):
        try:
            return (yield from _json(text, redact, depth))
        except ValueError:  # No JSON after all, or not in its strings.
            pass
    return (yield from _plain(text, redact, name))


def _plain(text: str, redact: Redacts, name: str) -> Slices:
    parts, start = [], 0
    while start < len(text):
        end = cut(text, start)
        parts.append(redact.piece(text[start:end], name))
        start = end
        yield
    return "".join(parts)


def _json(text: str, redact: Redacts, depth: int) -> Slices:
    rewritten = _Rewritten(text)
    at, rested, name = 0, 0, ""
    while (opened := text.find('"', at)) >= 0:
        if text[at:opened].strip(_PUNCTUATION):
            yield from _between(rewritten, at, opened, redact, name)
        closed = text.find('"', opened + 1)
        if closed < 0 or text[closed - 1] == "\\":
            closed = yield from _closing(text, opened + 1)
        raw = text[opened + 1 : closed]
        is_name = text[closed + 1 : closed + 3].lstrip(" ")[:1] == ":"
        of = "" if is_name else name
        if not _says_nothing(raw) and not redact.knows(raw, of):
            rewritten.put(opened + 1, closed, (yield from _string(raw, redact, of, depth)))
        if is_name:
            name = raw[:_LONGEST_NAME]
        at = closed + 1
        if at - rested > USUAL:
            rested = at
            yield
    yield from _between(rewritten, at, len(text), redact, name)
    return rewritten.text()


class _Rewritten:
    """A text of which a few places are replaced, in order."""

    def __init__(self, text: str) -> None:
        self.whole = text
        self._parts: list[str] = []
        self._done = 0

    def put(self, start: int, end: int, replacement: str) -> None:
        if len(replacement) != end - start or not self.whole.startswith(replacement, start):
            self._parts += (self.whole[self._done : start], replacement)
            self._done = end

    def text(self) -> str:
        return "".join((*self._parts, self.whole[self._done :])) if self._parts else self.whole


def _closing(text: str, at: int) -> Generator[None, None, int]:
    for end in closing_quote(text, at):
        if end is not None:
            return end
        yield
    raise ValueError("a string does not end")


def _between(rewritten: _Rewritten, start: int, end: int, redact: Redacts, name: str) -> Generator[None, None, None]:
    """Redact the numbers between two strings; one that was something becomes a string."""
    text = rewritten.whole
    while start < end:
        comma = text.find(",", start + USUAL, end)
        stop = end if comma < 0 else comma + 1
        rewritten.put(start, stop, _numbers(text[start:stop], redact, name))
        start = stop
        if start < end:
            yield


def _numbers(text: str, redact: Redacts, name: str) -> str:
    if not text.strip(_PUNCTUATION):
        return text
    if _BETWEEN.fullmatch(text) is None:
        raise ValueError("no JSON between two strings")

    def replaced(found: "re.Match[str]") -> str:
        number = redact.piece(found[0], name)
        return found[0] if number == found[0] else f'"{number}"'

    return _WHOLE_NUMBER.sub(replaced, text)


def _string(raw: str, redact: Redacts, name: str, depth: int) -> Slices:
    """Return the inside of a string literal, redacted; what holds nothing is remembered."""
    replaced = yield from _searched(raw, redact, name, depth)
    if replaced == raw:
        redact.remember(raw, name)
    return replaced


def _searched(raw: str, redact: Redacts, name: str, depth: int) -> Slices:
    if "\\" not in raw and len(raw) <= USUAL:
        return redact.piece(raw, name)
    if (yield from _is_binary(raw)):
        return raw
    if raw.lstrip(" ")[:1] in ("{", "["):
        return (yield from _nested(raw, redact, name, depth))
    parts: list[str] = []
    for part, text in _decoded(raw):
        replaced = redact.piece(text, name)
        parts.append(part if replaced == text else encoded(replaced))
        yield
    return "".join(parts)


def _nested(raw: str, redact: Redacts, name: str, depth: int) -> Slices:
    texts = []
    for _, text in _decoded(raw):
        texts.append(text)
        yield
    text = "".join(texts)
    replaced = yield from redacted(text, redact, name, depth + 1)
    if replaced == text:
        return raw
    parts = []
    for start in range(0, len(replaced), USUAL):
        parts.append(encoded(replaced[start : start + USUAL]))
        yield
    return "".join(parts)


def _is_binary(raw: str) -> Generator[None, None, bool]:
    """Say whether *raw* is thousands of characters of Base64, after `data:…,` or not: an image or a recording."""
    start = raw.find(",", 0, _LONGEST_NAME) + 1 if raw.startswith("data:") else 0
    if len(raw) - start <= USUAL:
        return False
    for at in range(start, len(raw), _BASE64_AT_ONCE):
        if raw[at : at + _BASE64_AT_ONCE].encode("ascii", "replace").translate(None, _BASE64):
            return False
        if at > start:
            yield
    return True


def _says_nothing(raw: str) -> bool:
    """Say whether a string is too short or too plain to hold anything: roles, types, most names."""
    return len(raw) < _SHORTEST or (len(raw) < _SHORTEST_SECRET and raw.replace("_", "").isalpha())


def _decoded(raw: str) -> Iterator[tuple[str, str]]:
    """Yield pieces of the inside of a literal, as they are and as what they mean."""
    start = 0
    while start < len(raw):
        end, text = decoded(raw, start, cut(raw, start))
        yield raw[start:end], text
        start = end
