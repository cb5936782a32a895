"""Inspection: texts in, a verdict out by the tenant's limits, everything counted."""

from collections.abc import Sequence
from typing import Literal, TypeAlias

from libs.contracts.state import FirewallPolicy
from libs.scanner.scanner import Scanner, ScannerError
from libs.scanner.text import Segment
from libs.scanner.verdict import Thresholds, Verdict
from services.firewall.metrics import FirewallMetrics
from services.firewall.ports import Policies, StoreUnavailableError

Origin: TypeAlias = Literal["api", "gateway", "tool_result", "answer", "prompt"]


class Inspector:
    """Asks the scanner; *calibrated* are the bands of its model, *deadline_s* the longest wait for one verdict."""

    def __init__(
        self,
        scanner: Scanner,
        policies: Policies,
        metrics: FirewallMetrics,
        *,
        calibrated: Thresholds,
        deadline_s: float,
    ) -> None:
        self._scanner = scanner
        self._policies = policies
        self._metrics = metrics
        self._calibrated = calibrated
        self._deadline_s = deadline_s

    async def policy_of(self, tenant: str) -> FirewallPolicy:
        """Return the tenant's policy; without Redis the default one, counted."""
        try:
            return await self._policies.of(tenant)
        except StoreUnavailableError:
            self._metrics.without_policy.inc()
            return FirewallPolicy()

    async def thresholds_of(self, tenant: str) -> Thresholds:
        """Return the bands that hold for the tenant."""
        return self.thresholds(await self.policy_of(tenant))

    def thresholds(self, policy: FirewallPolicy) -> Thresholds:
        """Return the bands that *policy* makes of the calibrated ones."""
        return self._calibrated.limited(policy.flag_threshold, policy.block_threshold)

    async def inspect(self, segments: Sequence[Segment], thresholds: Thresholds, *, origin: Origin) -> Verdict:
        """Return the verdict; raises a `ScannerError`, counted."""
        try:
            verdict = await self._scanner.scan(segments, thresholds, self._deadline_s)
        except ScannerError as error:
            self._metrics.unscanned.labels(origin, type(error).__name__).inc()
            raise
        self._metrics.verdicts.labels(origin, verdict.action, verdict.role).inc()
        self._metrics.scan_s.observe(verdict.took_us / 1e6)
        return verdict
