"""The firewall service with this process behind it: whatever the service does not answer in time is scanned here."""

from collections.abc import Callable
from typing import Protocol

from libs.contracts.state import FirewallPolicy
from services.gateway.adapters.remote_firewall import RemoteScanError
from services.gateway.domain.breaker import Breaker
from services.gateway.ports import Firewall, Scanned

SERVICE = "firewall_service"


class RemoteScanner(Protocol):
    """A firewall elsewhere."""

    async def scan(self, body: bytes, tenant: str, policy: FirewallPolicy) -> Scanned:
        """Return the verdict; raises `RemoteScanError`."""


class FallbackFirewall:
    """
    A `Firewall` that asks *remote* first and *local* where that gives no verdict.

    A service that fails again and again is left alone by *breaker* and tried by single requests: a dead one costs its deadline
    now and then, not with every request. *degrade* counts each fallback as `firewall_service_<reason>`.
    """

    def __init__(
        self,
        remote: RemoteScanner,
        local: Firewall,
        breaker: Breaker,
        now_s: Callable[[], float],
        degrade: Callable[[str], None],
    ) -> None:
        self._remote = remote
        self._local = local
        self._breaker = breaker
        self._now_s = now_s
        self._degrade = degrade

    async def scan(self, body: bytes, tenant: str, policy: FirewallPolicy) -> Scanned:
        """Return the service's verdict, else this process's; raises `ScanFailedError`."""
        try:
            return await self._ask(body, tenant, policy)
        except RemoteScanError as error:
            self._degrade(f"{SERVICE}_{error.reason}")
        return await self._local.scan(body, tenant, policy)

    async def _ask(self, body: bytes, tenant: str, policy: FirewallPolicy) -> Scanned:
        if not self._breaker.allows(SERVICE, self._now_s()):
            raise RemoteScanError("open")
        try:
            scanned = await self._remote.scan(body, tenant, policy)
        except RemoteScanError as error:
            if error.is_fault:
                self._breaker.failed(SERVICE, self._now_s())
            raise
        self._breaker.succeeded(SERVICE)
        return scanned
