"""Where the members of a JSON object lie in its bytes, so that one can be replaced without touching the others."""

import re
from collections.abc import Iterator

import msgspec

from libs.contracts.unreadable import UNREADABLE

_SPACE = re.compile(rb"[ \t\n\r]*+")
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_SCALAR = re.compile(rb"[^,\]} \t\n\r]++")
_TO_BRACKET = re.compile(rb'[^"\[\]{}]*+(?:"[^"\\]*+(?:\\.[^"\\]*+)*+"[^"\[\]{}]*+)*+', re.DOTALL)
_OPEN = b"[{"


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """One `"key": value` of an object: offsets of the key with its quotes, and of the value, end exclusive."""

    key: str
    key_start: int
    key_end: int
    value_start: int
    value_end: int


def members(text: bytes, start: int = 0) -> list[Member]:
    """
    Return the members of the object that begins at *start* (after white space), in order, duplicates included.

    *text* has to be valid JSON from there. Raises ValueError where no object is found.
    """
    return list(_members(text, start))


def object_end(text: bytes, start: int = 0) -> int:
    """Return the offset of the closing brace of the object that begins at *start* (after white space)."""
    return _value_end(text, _skip(text, start)) - 1


def _members(text: bytes, start: int) -> Iterator[Member]:
    at = _expect(text, _skip(text, start), b"{")
    at = _skip(text, at)
    if text[at : at + 1] == b"}":
        return
    while True:
        key_end = _string_end(text, at)
        value_start = _skip(text, _expect(text, _skip(text, key_end), b":"))
        value_end = _value_end(text, value_start)
        yield Member(
            key=_key(text[at:key_end]), key_start=at, key_end=key_end, value_start=value_start, value_end=value_end
        )
        after = _skip(text, value_end)
        if text[after : after + 1] == b"}":
            return
        at = _skip(text, _expect(text, after, b","))


def _key(quoted: bytes) -> str:
    if b"\\" not in quoted:
        return quoted[1:-1].decode("utf-8", "replace")
    try:
        return msgspec.json.decode(quoted, type=str)
    except UNREADABLE as error:
        raise ValueError(f"not a JSON string: {error}") from error


def _value_end(text: bytes, at: int) -> int:
    first = text[at : at + 1]
    if first == b'"':
        return _string_end(text, at)
    if first and first in _OPEN:
        return _container_end(text, at)
    return _end_of(_SCALAR.match(text, at), at)


def _container_end(text: bytes, at: int) -> int:
    depth = 0
    while True:
        at = _end_of(_TO_BRACKET.match(text, at), at)
        bracket = text[at : at + 1]
        if not bracket:
            raise ValueError(f"unclosed bracket before offset {at}")
        at += 1
        depth += 1 if bracket in _OPEN else -1
        if depth == 0:
            return at


def _string_end(text: bytes, at: int) -> int:
    return _end_of(_STRING.match(text, at), at)


def _skip(text: bytes, at: int) -> int:
    return _end_of(_SPACE.match(text, at), at)


def _expect(text: bytes, at: int, token: bytes) -> int:
    if text[at : at + 1] != token:
        raise ValueError(f"expected {token.decode()} at offset {at}")
    return at + 1


def _end_of(match: re.Match[bytes] | None, at: int) -> int:
    if match is None:
        raise ValueError(f"not JSON at offset {at}")
    return match.end()
