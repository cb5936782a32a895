"""What the gateway needs from outside: one protocol per role, and the values that cross it."""

from collections.abc import AsyncIterator
from typing import Literal, Protocol

import msgspec

from libs.contracts.events import RequestCompleted, TranscriptRecorded, WeightsPublished
from libs.contracts.state import CachedAnswer, FirewallPolicy, Quarantine, SessionState
from libs.scanner.verdict import Verdict
from services.gateway.domain.caller import Caller
from services.gateway.domain.limits import Usage


class DirectoryUnavailableError(Exception):
    """Nobody can say whether the key is valid: the store is away and nothing local knows it."""


class Directory(Protocol):
    """Who holds which key."""

    async def find(self, secret_sha256: str) -> Caller | None:
        """Return the caller, or None for an unknown or revoked key; raises `DirectoryUnavailableError`."""


class Lookup(msgspec.Struct, frozen=True, kw_only=True):
    """What to fetch for one request, and which request to count; *cache_digest* None skips the cache."""

    tenant: str
    key_id: str
    session_id: str
    now_ms: int
    cache_digest: str | None = None


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What one request was found with; *local* says that only this process was asked."""

    usage: Usage
    session: SessionState = SessionState()
    cached: CachedAnswer | None = None
    quarantine: Quarantine | None = None
    local: bool = False


class Settled(msgspec.Struct, frozen=True, kw_only=True):
    """What one finished request leaves behind; None fields leave nothing."""

    tenant: str
    key_id: str
    request_id: str
    session_id: str
    session_inferred: bool
    completion_id: str | None = None
    session: SessionState | None = None
    cache_digest: str | None = None
    cached: CachedAnswer | None = None
    cache_ttl_s: int = 0


class HotState(Protocol):
    """The shared state of live requests; never raises, degrades to this process's own memory."""

    async def look_up(self, lookup: Lookup) -> Found:
        """Count the request and fetch its state, in one round trip."""

    def settle(self, settled: Settled) -> None:
        """Keep what a finished request leaves behind, without waiting."""

    def release(self, tenant: str, now_ms: int) -> None:
        """Give back a request of the month that was counted but refused, without waiting."""


class WeightsStore(Protocol):
    """The newest weights in process."""

    async def of(self, tenant: str, *, consume: bool) -> WeightsPublished:
        """Return the tenant's weights, else the pool's where it may *consume* them, else Day 0; never raises."""


class ScanFailedError(Exception):
    """The firewall gave no verdict in time; the tenant's fail policy decides."""


class Scanned(msgspec.Struct, frozen=True, kw_only=True):
    """A verdict and who gave it."""

    verdict: Verdict
    scanner: Literal["local", "remote"]


class Firewall(Protocol):
    """The firewall's judgement of a request body."""

    async def scan(self, body: bytes, tenant: str, policy: FirewallPolicy) -> Scanned:
        """Return the verdict on every text in *body* that the tenant's *policy* wants scanned; raises `ScanFailedError`."""


class UpstreamTimeoutError(Exception):
    """The provider was too slow."""


class UpstreamConnectError(Exception):
    """The request never reached the provider; sending it again is safe."""


class UpstreamBrokenError(Exception):
    """The provider went away in the middle."""


class UpstreamCall(msgspec.Struct, frozen=True, kw_only=True):
    """One chat completion to send: to which provider, and the exact bytes."""

    provider: str
    body: bytes
    stream: bool


class UpstreamAnswer(Protocol):
    """A provider's answer whose head has arrived. Every answer is closed, whatever happens."""

    @property
    def status(self) -> int:
        """Return the HTTP status."""

    @property
    def content_type(self) -> str:
        """Return the media type, without parameters."""

    @property
    def retry_after_s(self) -> float | None:
        """Return how long the provider asks to be left alone."""

    async def read(self) -> bytes:
        """Return the whole body; raises `UpstreamTimeoutError` or `UpstreamBrokenError`."""

    def chunks(self) -> AsyncIterator[bytes]:
        """Yield the body as it arrives; raises `UpstreamTimeoutError` or `UpstreamBrokenError`."""

    def close(self) -> None:
        """Drop what has not arrived, which ends the provider's work; harmless after the end."""


class Upstream(Protocol):
    """The providers."""

    async def open(self, call: UpstreamCall) -> UpstreamAnswer:
        """Send *call* and return once the head arrived; raises `UpstreamConnectError`, `…TimeoutError`, `…BrokenError`."""


class Events(Protocol):
    """Where facts are left; never raises. What was left survives this process from the next turn of the loop on."""

    def completed(self, event: RequestCompleted) -> None:
        """Leave the record of a request."""

    def transcript(self, event: TranscriptRecorded) -> None:
        """Leave the bodies of an exchange."""


class Clock(Protocol):
    """Time, for stamps and for durations."""

    def epoch_ms(self) -> int:
        """Return Unix milliseconds."""

    def monotonic_ns(self) -> int:
        """Return nanoseconds that only go forward."""
