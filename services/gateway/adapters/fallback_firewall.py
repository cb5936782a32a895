"""The firewall service with this process behind it: whatever the service does not answer in time is scanned here."""

from collections.abc import Callable, Mapping
from itertools import cycle, islice
from typing import Protocol

from libs.contracts.state import FirewallPolicy
from services.gateway.adapters.remote_firewall import RemoteScanError
from services.gateway.domain.breaker import Breaker
from services.gateway.ports import Firewall, Scanned


class RemoteScanner(Protocol):
    """A firewall elsewhere."""

    async def scan(self, body: bytes, tenant: str, policy: FirewallPolicy) -> Scanned:
        """Return the verdict; raises `RemoteScanError`."""


class FallbackFirewall:
    """
    A `Firewall` that asks the *replicas* of the service in turn, and *local* where the one whose turn it is gives no verdict.

    A replica that fails again and again is left alone by *breaker* and tried by single requests: a dead one costs its deadline
    now and then, not with every request. *degrade* counts each fallback as `firewall_service_<reason>`.
    """

    def __init__(
        self,
        replicas: Mapping[str, RemoteScanner],
        local: Firewall,
        breaker: Breaker,
        now_s: Callable[[], float],
        degrade: Callable[[str], None],
    ) -> None:
        self._replicas = replicas
        self._turns = cycle(replicas)
        self._local = local
        self._breaker = breaker
        self._now_s = now_s
        self._degrade = degrade

    async def scan(self, body: bytes, tenant: str, policy: FirewallPolicy) -> Scanned:
        """Return the service's verdict, else this process's; raises `ScanFailedError`."""
        try:
            return await self._ask(self._next(), body, tenant, policy)
        except RemoteScanError as error:
            self._degrade(f"firewall_service_{error.reason}")
        return await self._local.scan(body, tenant, policy)

    def _next(self) -> str:
        now_s = self._now_s()
        for name in islice(self._turns, len(self._replicas)):
            if self._breaker.allows(name, now_s):
                return name
        raise RemoteScanError("open")

    async def _ask(self, name: str, body: bytes, tenant: str, policy: FirewallPolicy) -> Scanned:
        try:
            scanned = await self._replicas[name].scan(body, tenant, policy)
        except RemoteScanError as error:
            if error.is_fault:
                self._breaker.failed(name, self._now_s())
            raise
        self._breaker.succeeded(name)
        return scanned
