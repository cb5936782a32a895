"""Opaque cursors: where the next page begins, signed so that nobody can make one up or carry one to another query."""

import base64
import binascii
import hmac
from hashlib import sha256

import msgspec

_MAC_BYTES = 16


class CursorError(Exception):
    """The cursor was not made by this service for this query."""


class Position(msgspec.Struct, frozen=True, array_like=True):
    """The last row of a page: the next page begins below it, newest first."""

    created_at_ms: int
    request_id: str


def seal(position: Position, *, scope: bytes, secret: bytes) -> str:
    """Return *position* as text that only `unseal` with the same *scope* (tenant and filters) and *secret* accepts."""
    body = msgspec.json.encode(position)
    return _text(_mac(body, scope, secret) + body)


def unseal(cursor: str, *, scope: bytes, secret: bytes) -> Position:
    """Return the position in *cursor*; raises `CursorError`."""
    try:
        raw = base64.urlsafe_b64decode(cursor.encode() + b"=" * (-len(cursor) % 4))
    except (binascii.Error, UnicodeEncodeError) as error:
        raise CursorError("not readable") from error
    if _text(raw) != cursor:
        raise CursorError("not as it was made")
    mac, body = raw[:_MAC_BYTES], raw[_MAC_BYTES:]
    if not hmac.compare_digest(mac, _mac(body, scope, secret)):
        raise CursorError("wrong signature")
    return msgspec.json.decode(body, type=Position)


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _mac(body: bytes, scope: bytes, secret: bytes) -> bytes:
    message = len(scope).to_bytes(4, "big") + scope + body
    return hmac.new(secret, b"decisions-cursor" + message, sha256).digest()[:_MAC_BYTES]
