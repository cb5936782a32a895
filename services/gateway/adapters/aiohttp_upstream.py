"""Providers over HTTP: one warm session each, bytes in, bytes out."""

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager

import aiohttp
from yarl import URL

from libs.providers.catalogue import Provider
from services.gateway.ports import (
    UpstreamBrokenError,
    UpstreamCall,
    UpstreamConnectError,
    UpstreamTimeoutError,
)

MAX_CONNECTIONS = 1000
KEEPALIVE_S = 60.0
MAX_ANSWER_BYTES = 64 << 20
MAX_RETRY_AFTER_S = 3600.0


class AiohttpUpstream:
    """The `Upstream` of production; *keys* holds each provider's API key by provider name."""

    def __init__(self, providers: Mapping[str, Provider], keys: Mapping[str, str]) -> None:
        self._sessions = {name: _session(provider, keys.get(name)) for name, provider in providers.items()}
        self._urls = {
            name: URL(provider.base_url.rstrip("/") + "/chat/completions") for name, provider in providers.items()
        }

    async def open(self, call: UpstreamCall) -> "AiohttpAnswer":
        """Send *call* and return once the head arrived."""
        with _translated():
            response = await self._sessions[call.provider].post(
                self._urls[call.provider], data=call.body, allow_redirects=False
            )
        return AiohttpAnswer(response)

    async def close(self) -> None:
        """Close every connection."""
        for session in self._sessions.values():
            await session.close()


class AiohttpAnswer:
    """An `UpstreamAnswer` over an aiohttp response."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response

    @property
    def status(self) -> int:
        """Return the HTTP status."""
        return self._response.status

    @property
    def content_type(self) -> str:
        """Return the media type, without parameters."""
        return self._response.content_type

    @property
    def retry_after_s(self) -> float | None:
        """Return `Retry-After` where it is a number of seconds, at most an hour."""
        value = self._response.headers.get("retry-after", "")
        return min(float(value), MAX_RETRY_AFTER_S) if value.isdecimal() else None

    async def read(self) -> bytes:
        """Return the whole body."""
        parts: list[bytes] = []
        size_bytes = 0
        async for part in self.chunks():
            parts.append(part)
            size_bytes += len(part)
            if size_bytes > MAX_ANSWER_BYTES:
                raise UpstreamBrokenError("the answer is too large")
        return b"".join(parts)

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the body as it arrives."""
        with _translated():
            async for chunk in self._response.content.iter_any():
                yield chunk

    def close(self) -> None:
        """Drop what has not arrived: the connection is closed unless the body was read to its end."""
        self._response.close()


def _session(provider: Provider, key: str | None) -> aiohttp.ClientSession:
    headers = {"content-type": "application/json", "accept-encoding": "identity", **provider.headers}
    if key:
        headers["authorization"] = f"Bearer {key}"
    return aiohttp.ClientSession(
        headers=headers,
        connector=aiohttp.TCPConnector(limit=MAX_CONNECTIONS, keepalive_timeout=KEEPALIVE_S),
        timeout=aiohttp.ClientTimeout(
            total=None,
            connect=2 * provider.connect_timeout_s,  # Waiting for one of the connections to become free included.
            sock_connect=provider.connect_timeout_s,
            sock_read=provider.timeout_s,
        ),
        cookie_jar=aiohttp.DummyCookieJar(),
    )


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (aiohttp.ConnectionTimeoutError, aiohttp.ClientConnectorError) as error:
        raise UpstreamConnectError(type(error).__name__) from error
    except TimeoutError as error:
        raise UpstreamTimeoutError(type(error).__name__) from error
    except (aiohttp.ClientError, OSError) as error:
        raise UpstreamBrokenError(type(error).__name__) from error
