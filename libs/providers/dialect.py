"""A client's request body as one upstream wants it: edited in place, byte for byte the same everywhere else."""

from collections.abc import Sequence
from typing import TypeAlias

import msgspec

from libs.providers.catalogue import Model
from libs.providers.json_spans import Member, Object, read_object

Splice: TypeAlias = tuple[int, int, bytes]

GATEWAY_FIELDS = frozenset({"inputs"})  # Read by the gateway; upstreams reject fields they do not know.


def upstream_body(body: bytes, model: Model, *, stream: bool = False) -> bytes:
    """
    Return *body*, a valid JSON object, as the provider of *model* wants it.

    Every top-level `model` becomes the upstream's id, `inputs` goes, `max_tokens` is renamed where the provider wants it,
    and a *stream* asks for its usage. Nothing else changes by a byte. Raises ValueError where *body* is no object.
    """
    read = read_object(body)
    found = read.members
    splices: list[Splice] = []
    removed = [place for place, member in enumerate(found) if member.key in GATEWAY_FIELDS]
    splices += [(m.value_start, m.value_end, _json(model.upstream_id)) for m in found if m.key == "model"]
    if model.renames_max_tokens:
        removed += _renamed(found, splices)
    if stream:
        splices += _usage_asked(body, read, removed)
    splices += _removals(found, sorted(removed))
    return _spliced(body, splices)


def asks_for_usage(body: bytes) -> bool:
    """Say whether the client itself asked for a stream's usage: if not, its chunk is taken out again."""
    value = _last(read_object(body).members, "stream_options")
    if value is None or body[value.value_start : value.value_start + 1] != b"{":
        return False
    asked = _last(read_object(body, value.value_start).members, "include_usage")
    return asked is not None and body[asked.value_start : asked.value_end] == b"true"


def _renamed(found: Sequence[Member], splices: list[Splice]) -> list[int]:
    """Rename `max_tokens`, or return the places to remove where the new name is there already."""
    old = [place for place, member in enumerate(found) if member.key == "max_tokens"]
    if any(member.key == "max_completion_tokens" for member in found):
        return old
    splices += [(found[place].key_start, found[place].key_end, b'"max_completion_tokens"') for place in old]
    return []


def _usage_asked(body: bytes, read: Object, removed: list[int]) -> list[Splice]:
    options = [member for member in read.members if member.key == "stream_options"]
    if not options:
        comma = b"," if len(read.members) > len(removed) else b""
        return [(read.end, read.end, comma + b'"stream_options":{"include_usage":true}')]
    return [_usage_in(body, member) for member in options]


def _usage_in(body: bytes, options: Member) -> Splice:
    if body[options.value_start : options.value_start + 1] != b"{":
        return options.value_start, options.value_end, b'{"include_usage":true}'
    inner = read_object(body, options.value_start).members
    asked = _last(inner, "include_usage")
    if asked is not None:
        return asked.value_start, asked.value_end, b"true"
    end = options.value_end - 1
    return end, end, (b"," if inner else b"") + b'"include_usage":true'


def _removals(found: Sequence[Member], places: list[int]) -> list[Splice]:
    """Return splices that take members out with the comma that would be one too many."""
    last_kept = max((place for place in range(len(found)) if place not in places), default=-1)
    return [_removal(found, place, after_kept=0 <= last_kept < place) for place in places]


def _removal(found: Sequence[Member], place: int, *, after_kept: bool) -> Splice:
    member = found[place]
    if after_kept:
        return found[place - 1].value_end, member.value_end, b""
    end = found[place + 1].key_start if place + 1 < len(found) else member.value_end
    return member.key_start, end, b""


def _spliced(body: bytes, splices: list[Splice]) -> bytes:
    parts: list[bytes] = []
    at = 0
    for start, end, text in sorted(splices):
        parts += (body[at:start], text)
        at = end
    return b"".join((*parts, body[at:]))


def _last(found: Sequence[Member], key: str) -> Member | None:
    return next((member for member in reversed(found) if member.key == key), None)


def _json(text: str) -> bytes:
    return msgspec.json.encode(text)
