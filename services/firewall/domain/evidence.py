"""Evidence: what the suspicious passages of one session come to together."""

import heapq
import math
from collections.abc import Iterable, Mapping
from typing import Final

from libs.scanner.second_opinion_calibration import position
from libs.scanner.verdict import Band

DISCOUNT: Final = 0.7
"""The strongest passage counts whole, each next one by this share of the one before: passages of one session are alike."""

KEPT: Final = 32
"""Strongest passages that are remembered of a session; all after them could add less than a ten thousandth."""

HOSTILE: Final = 1.0

_FLAGGED: Final = 0.2
_BLOCKED: Final = 0.5
_HEAVIEST: Final = 2.0

Clues = Mapping[str, float]
"""Digest of a passage → its weight."""


def weight(score: float, band: Band) -> float:
    """
    Return what a passage of *score* weighs: nothing below its flag limit, then more by its log-odds.

    One at the block limit weighs half of what makes a session hostile, one far beyond it all of it: a session has many passages,
    and a limit that is right for one passage would quarantine long ordinary sessions.
    """
    if score < band.flag:
        return 0.0
    return min(_FLAGGED + (_BLOCKED - _FLAGGED) * position(score, band), _HEAVIEST)


def total(weights: Iterable[float]) -> float:
    """
    Return what *weights* come to, in whatever order they came; from `HOSTILE` on the session is hostile.

    The sum is less than the heaviest divided by 1 - `DISCOUNT`: however long a session, faint passages alone never suffice.
    """
    return math.fsum(each * DISCOUNT**rank for rank, each in enumerate(sorted(weights, reverse=True)))


def merged(known: Clues, found: Clues) -> dict[str, float]:
    """
    Return the evidence of both: a passage counts once, by what was known of it first, and only the `KEPT` heaviest remain.

    Passages weigh the same whenever they are judged, so it does not matter in which order or how often exchanges come.
    """
    both = {**found, **known}
    return dict(heapq.nlargest(KEPT, both.items(), key=lambda clue: (clue[1], clue[0])))
