"""The firewall service over HTTP: one warm pool of connections, the client's bytes as they came, a deadline for each verdict."""

import asyncio
from collections.abc import Callable
from typing import Literal

import aiohttp
import msgspec
from yarl import URL

from libs.contracts import http
from libs.contracts.state import FirewallPolicy
from libs.contracts.unreadable import UNREADABLE
from libs.runtime.identity import LIFETIME_S, Identity, sign
from libs.scanner.verdict import Verdict
from services.gateway.ports import Scanned

MAX_CONNECTIONS = 256
KEEPALIVE_S = 30.0  # Less than servers keep theirs, so that a connection is rarely closed under a request.
MAX_BODY_BYTES = 1 << 20
MAX_KNOWN = 10_000
GATEWAY_KEY = "gateway"
_OK = 200
_ABOUT_THE_REQUEST = frozenset({400, 413})
_FAULTS = frozenset({"timeout", "unreachable", "broken"})

_DECODER = msgspec.json.Decoder(Verdict)


class RemoteScanError(Exception):
    """
    The service gave no verdict, for a *reason* of its own: `timeout`, `unreachable`, `broken` (an answer that is no verdict).

    `too_large` (never sent) and `refused` lie with the request and say nothing about the service, as little as `open`: it was
    left alone.
    """

    def __init__(self, reason: Literal["timeout", "unreachable", "broken", "too_large", "refused", "open"]) -> None:
        super().__init__(reason)
        self.reason = reason

    @property
    def is_fault(self) -> bool:
        """Say whether the service failed."""
        return self.reason in _FAULTS


class RemoteFirewall:
    """
    Asks the firewall service for verdicts, each within *deadline_s*.

    The tenant's policy travels with the request, so that a changed one holds at once and the service looks nothing up.
    """

    def __init__(self, url: str, secret: bytes, *, deadline_s: float, epoch_s: Callable[[], float]) -> None:
        self._url = URL(url.rstrip("/") + http.FIREWALL_VERDICT_PATH)
        self._secret = secret
        self._deadline_s = deadline_s
        self._epoch_s = epoch_s
        self._headers: dict[tuple[str, FirewallPolicy], tuple[float, dict[str, str]]] = {}
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=MAX_CONNECTIONS, keepalive_timeout=KEEPALIVE_S),
            timeout=aiohttp.ClientTimeout(total=None),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
        )

    async def scan(self, body: bytes, tenant: str, policy: FirewallPolicy) -> Scanned:
        """Return the service's verdict; raises `RemoteScanError`."""
        if len(body) > MAX_BODY_BYTES:  # No scan of that much meets a deadline in milliseconds.
            raise RemoteScanError("too_large")
        try:
            async with asyncio.timeout(self._deadline_s):
                status, answer = await self._ask(body, self._headers_of(tenant, policy))
        except TimeoutError as error:
            raise RemoteScanError("timeout") from error
        except (aiohttp.ClientError, OSError) as error:
            raise RemoteScanError("unreachable") from error
        return Scanned(verdict=_verdict(status, answer), scanner="remote")

    async def close(self) -> None:
        """Close every connection."""
        await self._session.close()

    async def _ask(self, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
        async with self._session.post(self._url, data=body, headers=headers, allow_redirects=False) as response:
            return response.status, await response.read()

    def _headers_of(self, tenant: str, policy: FirewallPolicy) -> dict[str, str]:
        """Return the headers of a tenant, signed anew after half the life of a signature."""
        now_s = self._epoch_s()
        fresh_until_s, headers = self._headers.get((tenant, policy), (0.0, {}))
        if now_s < fresh_until_s:
            return headers
        if len(self._headers) >= MAX_KNOWN:
            self._headers.clear()
        headers = self._signed(tenant, policy, int(now_s) + LIFETIME_S)
        self._headers[tenant, policy] = (now_s + LIFETIME_S / 2, headers)
        return headers

    def _signed(self, tenant: str, policy: FirewallPolicy, expires_at: int) -> dict[str, str]:
        claims = Identity(tenant=tenant, key_id=GATEWAY_KEY, expires_at=expires_at)
        return {
            "content-type": "application/json",
            http.IDENTITY: sign(claims, self._secret),
            http.FIREWALL_POLICY: msgspec.json.encode(policy).decode(),
        }


def _verdict(status: int, answer: bytes) -> Verdict:
    if status in _ABOUT_THE_REQUEST:
        raise RemoteScanError("refused")
    if status != _OK:
        raise RemoteScanError("broken")
    try:
        return _DECODER.decode(answer)
    except UNREADABLE as error:
        raise RemoteScanError("broken") from error
