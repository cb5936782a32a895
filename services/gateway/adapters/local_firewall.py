"""The firewall in this process: the scanner library in its own thread."""

from collections.abc import Callable

from libs.contracts.state import FirewallPolicy
from libs.contracts.unreadable import UNREADABLE
from libs.scanner.scanner import Scanner, ScannerBusyError, ScannerError, ScannerTimeoutError
from libs.scanner.text import extract, unscanned_roles
from libs.scanner.verdict import Thresholds
from services.gateway.ports import ScanFailedError, Scanned


class LocalFirewall:
    """
    A `Firewall` over a scanner; *thresholds* are the bands that its model was calibrated for.

    *degrade* counts why there was no verdict: `scan_dropped` (the queue is full), `scan_over_deadline`, `scan_unreadable` or
    `scan_failed`.
    """

    def __init__(
        self, scanner: Scanner, thresholds: Thresholds, deadline_s: float, degrade: Callable[[str], None]
    ) -> None:
        self._scanner = scanner
        self._thresholds = thresholds
        self._deadline_s = deadline_s
        self._degrade = degrade

    async def scan(self, body: bytes, tenant: str, policy: FirewallPolicy) -> Scanned:
        """Return the verdict on the texts that *policy* wants scanned; raises `ScanFailedError`."""
        del tenant
        try:
            segments = extract(body, skip=unscanned_roles(scan_system=policy.scan_system))
            thresholds = self._thresholds.limited(policy.flag_threshold, policy.block_threshold)
            verdict = await self._scanner.scan(segments, thresholds, self._deadline_s)
        except (ScannerError, *UNREADABLE) as error:
            self._degrade(_reason(error))
            raise ScanFailedError(str(error)) from error
        return Scanned(verdict=verdict, scanner="local")


def _reason(error: Exception) -> str:
    if isinstance(error, ScannerBusyError):
        return "scan_dropped"
    if isinstance(error, ScannerTimeoutError):
        return "scan_over_deadline"
    return "scan_failed" if isinstance(error, ScannerError) else "scan_unreadable"
