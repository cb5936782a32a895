"""Where the members of a JSON object lie in its bytes, so that one can be replaced without touching the others."""

import re
from collections.abc import Iterator, Mapping

import msgspec

from libs.contracts.unreadable import UNREADABLE

_SPACE = re.compile(rb"[ \t\n\r]*+")
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_SCALAR = re.compile(rb"[^,\]} \t\n\r]++")
_TO_BRACKET = re.compile(rb'[^"\[\]{}]*+(?:"[^"\\]*+(?:\\.[^"\\]*+)*+"[^"\[\]{}]*+)*+', re.DOTALL)
_OPEN = b"[{"
_CONTAINERS = (b"[", b"{")

_raw_decoder = msgspec.json.Decoder(dict[str, msgspec.Raw])


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """One `"key": value` of an object: offsets of the key with its quotes, and of the value, end exclusive."""

    key: str
    key_start: int
    key_end: int
    value_start: int
    value_end: int


class Object(msgspec.Struct, frozen=True, kw_only=True):
    """The members of an object in order, duplicates included, and the offset of its closing brace."""

    members: tuple[Member, ...]
    end: int


def read_object(text: bytes, start: int = 0) -> Object:
    """
    Return the object that begins at *start* of *text* (after white space), which has to be valid JSON from there.

    Raises ValueError where no object is found.
    """
    found = tuple(_members(text, start, _raw_values(text) if start == 0 else {}))
    after = found[-1].value_end if found else _expect(text, _skip(text, start), b"{")
    return Object(members=found, end=_skip(text, after))


def _raw_values(text: bytes) -> dict[str, msgspec.Raw]:
    """Return the values by key as a fast parser cuts them, nothing where it refuses the text."""
    try:
        return _raw_decoder.decode(text)
    except msgspec.DecodeError:
        return {}


def _members(text: bytes, start: int, raw_values: Mapping[str, msgspec.Raw]) -> Iterator[Member]:
    at = _expect(text, _skip(text, start), b"{")
    at = _skip(text, at)
    if text[at : at + 1] == b"}":
        return
    while True:
        key_end = _string_end(text, at)
        value_start = _skip(text, _expect(text, _skip(text, key_end), b":"))
        key = _key(text[at:key_end])
        value_end = _known_end(text, value_start, raw_values.get(key)) or _value_end(text, value_start)
        yield Member(key=key, key_start=at, key_end=key_end, value_start=value_start, value_end=value_end)
        after = _skip(text, value_end)
        if text[after : after + 1] == b"}":
            return
        at = _skip(text, _expect(text, after, b","))


def _known_end(text: bytes, at: int, raw: msgspec.Raw | None) -> int | None:
    """Return where a container ends that *raw* is a copy of: of duplicate keys only the last is."""
    if raw is None or text[at : at + 1] not in _CONTAINERS:
        return None
    copy = bytes(raw)
    return at + len(copy) if text.startswith(copy, at) else None


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
