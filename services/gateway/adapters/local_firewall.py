"""The firewall in this process: the scanner library in its own thread."""

from libs.contracts.state import FirewallPolicy
from libs.contracts.unreadable import UNREADABLE
from libs.scanner.scanner import Scanner, ScannerError
from libs.scanner.text import Role, extract
from libs.scanner.verdict import Band, Thresholds, Verdict
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
            return await self._scanner.scan(segments, tenant_thresholds(self._thresholds, policy), self._deadline_s)
        except (ScannerError, *UNREADABLE) as error:
            raise ScanFailedError(str(error)) from error


def tenant_thresholds(calibrated: Thresholds, policy: FirewallPolicy) -> Thresholds:
    """Return the bands with the tenant's own limits in place of the calibrated ones, for every role."""
    if policy.flag_threshold is None and policy.block_threshold is None:
        return calibrated
    roles = {role: _band(band, policy) for role, band in calibrated.by_role.items()}
    return Thresholds(default=_band(calibrated.default, policy), by_role=roles)


def _band(band: Band, policy: FirewallPolicy) -> Band:
    block = band.block if policy.block_threshold is None else policy.block_threshold
    flag = band.flag if policy.flag_threshold is None else policy.flag_threshold
    return Band(flag=min(flag, block), block=block)
