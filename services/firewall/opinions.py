"""Opinions: what the scanner, and where that is in doubt a second reader, think of one text; remembered while a session repeats it."""

from collections import OrderedDict
from typing import Final

import msgspec

from libs.contracts.state import FirewallPolicy
from libs.scanner.scanner import ScannerError
from libs.scanner.second_opinion_calibration import READ_ROLES, Calibration, position, probability, score_at
from libs.scanner.text import Segment
from libs.scanner.verdict import Band, Finding, Thresholds, Verdict, judge
from services.firewall.domain import evidence
from services.firewall.domain.exchange import Origin
from services.firewall.domain.judgement import Opinion, change
from services.firewall.metrics import FirewallMetrics
from services.firewall.pipeline import Inspector
from services.firewall.ports import SecondReader

REMEMBERED: Final = 8_192
"""Opinions kept: an agent's session repeats its whole history with each hop."""

_Key = tuple[str, float | None, float | None]


class Second(msgspec.Struct, frozen=True, kw_only=True):
    """The second reader, how its answers join the scanner's, and the longest wait for one."""

    reader: SecondReader
    calibration: Calibration
    deadline_s: float


class Opinions:
    """
    Forms opinions; the ones asked for least recently are forgotten first.

    Without *second*, and where it gives no answer, the scanner's verdict is the opinion.
    """

    def __init__(
        self, inspector: Inspector, metrics: FirewallMetrics, second: Second | None, *, remembered: int = REMEMBERED
    ) -> None:
        self._inspector = inspector
        self._metrics = metrics
        self._second = second
        self._capacity = remembered
        self._known: OrderedDict[_Key, Opinion] = OrderedDict()

    async def of(self, segment: Segment, digest: str, origin: Origin, policy: FirewallPolicy) -> Opinion:
        """Return the opinion on *segment*, known by *digest*, under *policy*; raises a `ScannerError`."""
        key = (digest, policy.flag_threshold, policy.block_threshold)
        opinion = self._known.pop(key, None) or await self._formed(segment, origin, policy)
        self._known[key] = opinion
        if len(self._known) > self._capacity:
            self._known.popitem(last=False)
        return opinion

    async def _formed(self, segment: Segment, origin: Origin, policy: FirewallPolicy) -> Opinion:
        thresholds = self._inspector.thresholds(policy)
        first = await self._inspector.inspect((segment,), thresholds, origin=origin)
        alone = _opinion(first, thresholds, first_score=first.score)
        if self._second is None or segment.role not in READ_ROLES:
            return alone
        return await self._joint(self._second, alone, segment, policy)

    async def _joint(self, second: Second, alone: Opinion, segment: Segment, policy: FirewallPolicy) -> Opinion:
        calibrated = self._inspector.thresholds(FirewallPolicy()).of(segment.role)
        at = position(alone.first_score, calibrated)
        if at < second.calibration.worth_reading or alone.verdict.category == "encoded_injection":
            return self._counted("unread", alone)
        try:
            log_odds = await second.reader.read(segment.text, second.deadline_s)
        except ScannerError as error:
            return self._counted(type(error).__name__, alone)
        thresholds = _limited(second.calibration.thresholds, policy, calibrated)
        finding = Finding(role=segment.role, score=second.calibration.joint(at, log_odds))
        verdict = judge([finding], thresholds, lambda _: ())
        joint = _opinion(verdict, thresholds, first_score=alone.first_score, second_score=probability(log_odds))
        return self._counted(change(alone, joint), joint)

    def _counted(self, outcome: str, opinion: Opinion) -> Opinion:
        self._metrics.second_opinions.labels(outcome).inc()
        return opinion


def _limited(joint: Thresholds, policy: FirewallPolicy, calibrated: Band) -> Thresholds:
    """Return the joint bands with the tenant's own limits, which are scores of the scanner, moved to where they mean the same."""
    limits = (policy.flag_threshold, policy.block_threshold)
    flag, block = (None if limit is None else score_at(position(limit, calibrated), joint.default) for limit in limits)
    return joint.limited(flag, block)


def _opinion(
    verdict: Verdict, thresholds: Thresholds, *, first_score: float, second_score: float | None = None
) -> Opinion:
    weight = evidence.weight(verdict.score, thresholds.of(verdict.role))
    return Opinion(verdict=verdict, weight=weight, first_score=first_score, second_score=second_score)
