"""The prompt firewall in this process, and the one that is switched off."""

from libs.contracts.events import FirewallVerdict
from libs.contracts.state import FirewallPolicy
from libs.contracts.unreadable import UNREADABLE
from libs.scanner.scanner import Scanner, ScannerError
from libs.scanner.text import extract
from libs.scanner.verdict import Band, Thresholds, Verdict
from services.router.ports import ScanUnavailableError


class OnnxFirewall:
    """Asks a scanner of the shared library, with the model card's *thresholds* where a policy has none."""

    def __init__(self, scanner: Scanner, thresholds: Thresholds, *, deadline_s: float) -> None:
        self._scanner = scanner
        self._thresholds = thresholds
        self._deadline_s = deadline_s

    async def scan(self, body: bytes, policy: FirewallPolicy) -> FirewallVerdict:
        """Return what is found in *body*."""
        try:
            segments = extract(body, skip=frozenset() if policy.scan_system else frozenset({"system"}))
            found = await self._scanner.scan(segments, _bands(self._thresholds, policy), self._deadline_s)
        except (ScannerError, *UNREADABLE) as error:
            raise ScanUnavailableError(str(error)) from error
        return _verdict(found)


class NullFirewall:
    """Lets everything through: for a router that is configured not to scan."""

    async def scan(self, _body: bytes, _policy: FirewallPolicy) -> FirewallVerdict:
        """Return that nobody looked."""
        return FirewallVerdict(action="off")


def _bands(calibrated: Thresholds, policy: FirewallPolicy) -> Thresholds:
    if policy.flag_threshold is None and policy.block_threshold is None:
        return calibrated
    by_role = {role: _band(band, policy) for role, band in calibrated.by_role.items()}
    return Thresholds(default=_band(calibrated.default, policy), by_role=by_role)


def _band(band: Band, policy: FirewallPolicy) -> Band:
    block = band.block if policy.block_threshold is None else policy.block_threshold
    flag = band.flag if policy.flag_threshold is None else policy.flag_threshold
    return Band(flag=min(flag, block), block=block)


def _verdict(found: Verdict) -> FirewallVerdict:
    category = None if found.category == "none" else found.category
    return FirewallVerdict(
        action=found.action, score=found.score, category=category, role=found.role, took_us=found.took_us
    )
