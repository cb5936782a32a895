"""The signed header in which the gateway tells an owner service who is asking."""

import base64
import binascii
import hmac
from collections.abc import Awaitable, Callable
from hashlib import sha256

import msgspec
from aiohttp import web

from libs.contracts import http
from libs.contracts.unreadable import UNREADABLE
from libs.runtime.clock import epoch_s
from libs.runtime.errors import ApiError

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

LIFETIME_S = 60
_PREFIX = "v1"


class IdentityError(Exception):
    """The header was not signed by the gateway, or has expired."""


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """Who is asking: the claims of an authenticated key; `expires_at` is in seconds of the Unix epoch."""

    tenant: str
    key_id: str
    permissions: tuple[str, ...] = ()
    project: str | None = None
    plan: str = "starter"
    expires_at: int


IDENTITY: web.RequestKey[Identity] = web.RequestKey("identity", Identity)
_decoder = msgspec.json.Decoder(Identity)


def sign(claims: Identity, secret: bytes) -> str:
    """Return *claims* as a header value that only holders of *secret* can make."""
    body = base64.urlsafe_b64encode(msgspec.json.encode(claims)).decode()
    return f"{_PREFIX}.{body}.{_mac(body, secret)}"


def verify(value: str, secret: bytes, *, now: float) -> Identity:
    """Return the claims in *value*; raises `IdentityError` unless signed with *secret* and not expired at *now* (epoch s)."""
    prefix, _, rest = value.partition(".")
    body, _, mac = rest.rpartition(".")
    if prefix != _PREFIX or not hmac.compare_digest(mac.encode(), _mac(body, secret).encode()):
        raise IdentityError("wrong signature")
    try:
        claims = _decoder.decode(base64.urlsafe_b64decode(body))
    except (binascii.Error, *UNREADABLE) as error:
        raise IdentityError("not readable") from error
    if now >= claims.expires_at:
        raise IdentityError("expired")
    return claims


def require_identity(
    secret: bytes, *, clock: Callable[[], float] = epoch_s
) -> Callable[..., Awaitable[web.StreamResponse]]:
    """Return a middleware that puts the caller in `request[IDENTITY]` on `/v1/…` and answers 401 without a valid one."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path.startswith("/v1/"):
            request[IDENTITY] = _identify(request, secret, clock())
        return await handler(request)

    return middleware


def _identify(request: web.Request, secret: bytes, now: float) -> Identity:
    try:
        return verify(request.headers.get(http.IDENTITY, ""), secret, now=now)
    except IdentityError as error:
        raise ApiError(401, "INVALID_API_KEY", "The caller is not authenticated.") from error


def _mac(body: str, secret: bytes) -> str:
    return hmac.new(secret, f"{_PREFIX}.{body}".encode(), sha256).hexdigest()
