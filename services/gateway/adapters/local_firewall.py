"""The firewall in this process: the scanner library in its own thread."""

from libs.contracts.state import FirewallPolicy
from libs.contracts.unreadable import UNREADABLE
from libs.scanner.scanner import Scanner, ScannerError
from libs.scanner.text import Role, extract
from libs.scanner.verdict import Thresholds, Verdict
from services.gateway.ports import ScanFailedError

_NOTHING: frozenset[Role] = frozenset()
_SYSTEM: frozenset[Role] = frozenset({"system"})


class LocalFirewall:
    """A `Firewall` over a scanner; *thresholds* are the bands that its model was calibrated for."""

    def __init__(self, scanner: Scanner, thresholds: Thresholds, deadline_s: float) -> None:
        self._scanner = scanner
        self._thresholds = thresholds
        self._deadline_s = deadline_s

    async def scan(self, body: bytes, policy: FirewallPolicy) -> Verdict:
        """Return the verdict on the texts that *policy* wants scanned; raises `ScanFailedError`."""
        try:
            segments = extract(body, skip=_NOTHING if policy.scan_system else _SYSTEM)
            thresholds = self._thresholds.limited(policy.flag_threshold, policy.block_threshold)
            return await self._scanner.scan(segments, thresholds, self._deadline_s)
        except (ScannerError, *UNREADABLE) as error:
            raise ScanFailedError(str(error)) from error
