"""The firewall stage: a session's quarantine and the scan of the request, under the tenant's policy."""

from collections.abc import Callable

from libs.contracts.events import FirewallVerdict
from libs.contracts.state import FirewallMode, FirewallPolicy, Quarantine, TenantPolicy
from services.gateway.domain.errors import RefusedError
from services.gateway.ports import Firewall, ScanFailedError

QUARANTINE = "quarantine"


class Protection:
    """Asks the firewall and applies mode and fail policy; *degrade* counts scans that gave no verdict."""

    def __init__(self, firewall: Firewall, degrade: Callable[[str], None]) -> None:
        self._firewall = firewall
        self._degrade = degrade

    async def verdict(self, body: bytes, policy: TenantPolicy, mode: FirewallMode) -> FirewallVerdict:
        """Return what becomes of the request; `block` only in mode `block`, `error` where the scan failed open."""
        if mode == "off":
            return FirewallVerdict(action="off")
        try:
            scanned = await self._firewall.scan(body, policy.tenant, policy.firewall)
        except ScanFailedError:
            self._degrade("firewall")
            return FirewallVerdict(action="error")
        found = scanned.verdict
        return FirewallVerdict(
            action="flag" if found.action == "block" and mode == "flag" else found.action,
            score=found.score,
            category=None if found.category == "none" else found.category,
            role=found.role,
            took_us=found.took_us,
            scanner=scanned.scanner,
        )


def quarantine_verdict(quarantine: Quarantine | None, mode: FirewallMode, now_ms: int) -> FirewallVerdict | None:
    """Return the verdict on a session that turned hostile earlier, None where it did not or the tenant scans nothing."""
    if quarantine is None or mode == "off" or quarantine.until_ms <= now_ms:
        return None
    action = "flag" if mode == "flag" else quarantine.action
    return FirewallVerdict(action=action, score=1.0, category=quarantine.category or QUARANTINE)


def refuse_threat(verdict: FirewallVerdict, policy: FirewallPolicy) -> None:
    """Raise `RefusedError` where *verdict* ends the request: 400 for a threat, 503 for a scan that failed closed."""
    if verdict.action == "block":
        raise RefusedError(400, "PROMPT_THREAT_DETECTED", "The request was blocked by the prompt firewall.")
    if verdict.action == "error" and policy.on_failure == "closed":
        message = "The prompt firewall is not available and this tenant does not send unscanned prompts."
        raise RefusedError(503, "SERVICE_UNAVAILABLE", message, retry_after_s=1)
