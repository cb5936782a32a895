"""Verdict: from scores to allow, flag or block."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, Literal, get_args

import msgspec

from libs.scanner.text import Role

Action = Literal["allow", "flag", "block"]

Category = Literal["none", "prompt_injection", "indirect_injection", "encoded_injection"]


class Band(msgspec.Struct, frozen=True, kw_only=True):
    """Scores in [0, 1] from which a text is flagged, and from which it is blocked."""

    flag: float
    block: float

    def __post_init__(self) -> None:
        if not 0 <= self.flag <= self.block:
            raise ValueError("a band needs 0 <= flag <= block")

    def limited(self, flag: float | None, block: float | None) -> "Band":
        """Return this band with the given limits in place of its own; a block limit pulls the flag limit down with it."""
        limit = self.block if block is None else block
        return Band(flag=min(self.flag if flag is None else flag, limit), block=limit)

    def action(self, score: float) -> Action:
        """Return what to do about `score`."""
        if score >= self.block:
            return "block"
        return "flag" if score >= self.flag else "allow"


class Thresholds(msgspec.Struct, frozen=True, kw_only=True):
    """The band of every role; a role without its own has the default."""

    default: Band
    by_role: Mapping[Role, Band] = {}

    def of(self, role: Role) -> Band:
        """Return the band that holds for `role`."""
        return self.by_role.get(role, self.default)

    def limited(self, flag: float | None, block: float | None) -> "Thresholds":
        """Return these bands with a tenant's own limits, where given, in place of the calibrated ones, for every role."""
        if flag is None and block is None:
            return self
        by_role = {role: band.limited(flag, block) for role, band in self.by_role.items()}
        return Thresholds(default=self.default.limited(flag, block), by_role=by_role)


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """The highest score within one text, as read or as decoded from it."""

    role: Role
    score: float
    encoded: bool = False


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """
    What a scan says: the most severe text decides.

    `evidence` holds pieces of the scanned text: it stays in the process and out of logs unless a tenant asks for it.
    """

    action: Action
    score: float
    category: Category
    role: Role
    evidence: tuple[str, ...] = ()
    took_us: int = 0


CLEAN: Final = Verdict(action="allow", score=0.0, category="none", role="user")
"""The verdict of a request without text."""

_ORDER: Final[tuple[Action, ...]] = get_args(Action)


def judge(findings: Sequence[Finding], thresholds: Thresholds, explain: Callable[[int], tuple[str, ...]]) -> Verdict:
    """
    Return the verdict of the most severe finding, the higher score first among equals.

    `explain` is asked for the evidence of that finding, by its position, unless it is allowed.
    """
    if not findings:
        return CLEAN
    at = max(range(len(findings)), key=lambda position: _severity(findings[position], thresholds))
    worst = findings[at]
    action = thresholds.of(worst.role).action(worst.score)
    return Verdict(
        action=action,
        score=worst.score,
        category=_category(worst, action),
        role=worst.role,
        evidence=() if action == "allow" else explain(at),
    )


def _severity(finding: Finding, thresholds: Thresholds) -> tuple[int, float]:
    return _ORDER.index(thresholds.of(finding.role).action(finding.score)), finding.score


def _category(finding: Finding, action: Action) -> Category:
    if action == "allow":
        return "none"
    if finding.encoded:
        return "encoded_injection"
    return "indirect_injection" if finding.role == "tool" else "prompt_injection"
