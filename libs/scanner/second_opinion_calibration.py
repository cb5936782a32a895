"""Calibration: how the scanner's score and the second opinion become one, and the bands of that one."""

import math
from typing import Final

import msgspec

from libs.scanner.text import Role
from libs.scanner.verdict import Band, Thresholds

READ_ROLES: Final[frozenset[Role]] = frozenset({"user", "assistant"})
"""Whose texts are read: of what tools returned the scanner alone finds more, at the same share of documents blocked."""

_CERTAIN: Final = 1e-9


class Calibration(msgspec.Struct, frozen=True, kw_only=True):
    """
    Weights of the joint log-odds, set on sources that neither model had seen.

    The scanner counts by its position in its own band, so that training it anew does not move what its score means here. Below
    *worth_reading*, a position too, the second opinion is not asked: it would not change what becomes of the text.
    """

    first: float
    second: float
    bias: float
    worth_reading: float
    thresholds: Thresholds

    def joint(self, first: float, second: float) -> float:
        """Return the probability of an attack, from the position of the first score and the log-odds of the second opinion."""
        return probability(self.first * first + self.second * second + self.bias)


def position(score: float, band: Band) -> float:
    """Return where *score* lies by its log-odds: 0 at the flag limit of *band*, 1 at its block limit, linear beyond both."""
    reach = log_odds(band.block) - log_odds(band.flag)
    if reach <= 0:
        return 1.0 if score >= band.block else -1.0
    return (log_odds(score) - log_odds(band.flag)) / reach


def score_at(place: float, band: Band) -> float:
    """Return the score that lies at *place* in *band*: the inverse of `position`."""
    low, high = log_odds(band.flag), log_odds(band.block)
    return probability(low + place * (high - low))


def log_odds(chance: float) -> float:
    """Return the log-odds of a probability, finite even where it is certain."""
    kept = min(max(chance, _CERTAIN), 1 - _CERTAIN)
    return math.log(kept / (1 - kept))


def probability(odds: float) -> float:
    """Return the probability that log-odds stand for."""
    return 1 / (1 + math.exp(-odds)) if odds > 0 else math.exp(odds) / (1 + math.exp(odds))
