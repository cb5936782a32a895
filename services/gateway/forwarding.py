"""Paths of other services: authenticated here, passed on with a signed identity, the answer streamed back."""

from collections.abc import Callable, Mapping

import aiohttp
import structlog
from aiohttp import web
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from libs.contracts import http
from libs.contracts.http import Owner
from libs.runtime.errors import ApiError
from libs.runtime.identity import LIFETIME_S, Identity, sign
from libs.runtime.server import REQUEST
from services.gateway.domain.caller import Caller

log = structlog.get_logger(__name__)

HOP_BY_HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "host",
        "content-length",
    }
)
"""Headers that belong to one connection; the client library writes its own."""

PRIVATE = frozenset({"authorization", http.IDENTITY, http.REQUEST_ID, "cookie"})
"""Headers of the client that owner services must not see, or must only get from the gateway."""


class Forwarder:
    """Passes requests on to the services that own their paths."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        addresses: Mapping[Owner, str],
        secret: bytes,
        epoch_s: Callable[[], float],
    ) -> None:
        self._session = session
        self._addresses = {owner: URL(address) for owner, address in addresses.items()}
        self._secret = secret
        self._epoch_s = epoch_s

    async def forward(self, request: web.Request, owner: Owner, caller: Caller) -> web.StreamResponse:
        """Return the owner's answer; raises `ApiError`: 503 while the owner is away, 504 when it is too slow."""
        url = self._addresses[owner].join(request.rel_url)
        try:
            async with self._session.request(
                request.method,
                url,
                headers=self._headers(request, caller),
                data=await request.read() if request.can_read_body else None,
                allow_redirects=False,
            ) as answer:
                return await _stream_back(request, answer)
        except TimeoutError as error:
            log.warning("forward.timeout", owner=owner, path=request.path)
            raise ApiError(504, "GATEWAY_TIMEOUT", "The service behind this path is too slow.") from error
        except aiohttp.ClientError as error:
            log.warning("forward.failed", owner=owner, path=request.path, error=type(error).__name__)
            raise ApiError(
                503, "SERVICE_UNAVAILABLE", "The service behind this path is away.", retry_after_s=1
            ) from error

    def _headers(self, request: web.Request, caller: Caller) -> CIMultiDict[str]:
        headers = _passed_on(request.headers)
        headers.popall("content-encoding", None)  # The body has been decompressed on its way in.
        key = caller.key
        claims = Identity(
            tenant=key.tenant,
            key_id=key.key_id,
            permissions=key.permissions,
            project=key.project_id,
            plan=caller.plan.name,
            expires_at=int(self._epoch_s()) + LIFETIME_S,
        )
        headers[http.IDENTITY] = sign(claims, self._secret)
        headers[http.REQUEST_ID] = request[REQUEST]
        return headers


async def _stream_back(request: web.Request, answer: aiohttp.ClientResponse) -> web.StreamResponse:
    response = web.StreamResponse(status=answer.status, headers=_passed_on(answer.headers))
    response.headers[http.REQUEST_ID] = request[REQUEST]
    response.content_length = answer.content_length
    await response.prepare(request)
    try:
        async for chunk in answer.content.iter_any():
            await response.write(chunk)
    except (aiohttp.ClientPayloadError, TimeoutError):
        log.warning("forward.broken", path=request.path)
        if request.transport is not None:
            request.transport.abort()  # Half an answer has been sent: only the end of the connection can tell.
        return response
    await response.write_eof()
    return response


def _passed_on(headers: CIMultiDictProxy[str]) -> CIMultiDict[str]:
    kept = CIMultiDict(headers)
    dropped = HOP_BY_HOP | PRIVATE | {name.strip().lower() for name in headers.get("connection", "").split(",")}
    for name in {name.lower() for name in headers}:
        if name in dropped or name.startswith("x-agent-gateway-"):
            kept.popall(name)
    return kept
