"""Opinions: what the scanner thinks of one text, remembered while its session repeats it."""

from collections import OrderedDict
from typing import Final

from libs.contracts.state import FirewallPolicy
from libs.scanner.text import Segment
from services.firewall.domain import evidence
from services.firewall.domain.exchange import Origin
from services.firewall.domain.judgement import Opinion
from services.firewall.pipeline import Inspector

REMEMBERED: Final = 8_192
"""Opinions kept: an agent's session repeats its whole history with each hop."""

_Key = tuple[str, float | None, float | None]


class Opinions:
    """Forms opinions; the ones asked for least recently are forgotten first."""

    def __init__(self, inspector: Inspector, *, remembered: int = REMEMBERED) -> None:
        self._inspector = inspector
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
        verdict = await self._inspector.inspect((segment,), thresholds, origin=origin)
        weight = evidence.weight(verdict.score, thresholds.of(segment.role))
        return Opinion(verdict=verdict, weight=weight, first_score=verdict.score)
