"""The prompt firewall in this process, and the one that is switched off."""

from libs.contracts.events import FirewallVerdict
from libs.contracts.state import FirewallPolicy
from libs.contracts.unreadable import UNREADABLE
from libs.scanner.scanner import Scanner, ScannerError
from libs.scanner.text import extract
from libs.scanner.verdict import Thresholds, Verdict
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
            thresholds = self._thresholds.limited(policy.flag_threshold, policy.block_threshold)
            found = await self._scanner.scan(segments, thresholds, self._deadline_s)
        except (ScannerError, *UNREADABLE) as error:
            raise ScanUnavailableError(str(error)) from error
        return _verdict(found)


class NullFirewall:
    """Lets everything through: for a router that is configured not to scan."""

    async def scan(self, _body: bytes, _policy: FirewallPolicy) -> FirewallVerdict:
        """Return that nobody looked."""
        return FirewallVerdict(action="off")


def _verdict(found: Verdict) -> FirewallVerdict:
    category = None if found.category == "none" else found.category
    return FirewallVerdict(
        action=found.action, score=found.score, category=category, role=found.role, took_us=found.took_us
    )
