"""
Joining the second opinion with the scanner's score: weights, bands, and what both do to sources that neither had seen.

What tools returned is left to the scanner (`READ_ROLES`): such rows have no part in the weights, and their joint figures are nobody's.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple, TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt

from libs.scanner.second_opinion_calibration import Calibration, log_odds, position
from libs.scanner.training.corpus import Row
from libs.scanner.training.evaluation import Report, kind_of, report
from libs.scanner.training.features import Indices
from libs.scanner.training.fit import Doubles, importances
from libs.scanner.verdict import Thresholds

LOST_ATTACKS: Final = 0.01
"""Share of the attacks that the joint score flags which may go unread, for the scanner finds them too harmless."""

UNREAD: Final = -30.0
"""Log-odds of what is not read: never flagged."""

Mask: TypeAlias = npt.NDArray[np.bool_]

_STEPS: Final = 30
_RIDGE: Final = 1e-3


class Scores(NamedTuple):
    """Log-odds of each row by models that had not seen its family, NaN where it may not measure."""

    first: Doubles
    second: Doubles


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """What each alone and both together do to the same rows, each with bands of its own; *read* is the share read by kind."""

    calibration: Calibration
    first: Report
    second: Report
    joint: Report
    read: dict[str, float]


def joined(rows: Sequence[Row], scores: Scores) -> Figures:
    """Return weights, bands and figures."""
    measured = ~np.isnan(scores.first) & ~np.isnan(scores.second)
    spoken = measured & np.array(["tool result" not in kind_of(row) for row in rows])
    first_report = report(rows, np.where(measured, scores.first, np.nan))
    positions = _positions(rows, scores.first, first_report.thresholds)
    weights = _weights(rows, positions, scores.second, spoken)
    both = weights[0] * positions + weights[1] * scores.second + weights[2]
    worth = _worth_reading(rows, positions, both, measured, spoken)
    reached = np.where(positions >= worth, both, UNREAD)
    joint_report = report(rows, np.where(measured, reached, np.nan))
    return Figures(
        calibration=Calibration(
            first=weights[0],
            second=weights[1],
            bias=weights[2],
            worth_reading=worth,
            thresholds=Thresholds(default=joint_report.thresholds.default),
        ),
        first=first_report,
        second=report(rows, np.where(measured, scores.second, np.nan)),
        joint=joint_report,
        read=_read(rows, positions >= worth, spoken),
    )


def _positions(rows: Sequence[Row], first: Doubles, thresholds: Thresholds) -> Doubles:
    """Return where each score lies in the band of who says such a text."""
    found = np.full(len(rows), np.nan)
    for at, row in enumerate(rows):
        if not np.isnan(first[at]):
            band = thresholds.of("tool" if "tool result" in kind_of(row) else "user")
            low, high = log_odds(band.flag), log_odds(band.block)
            found[at] = (first[at] - low) / (high - low) if high > low else position(0.0, band)
    return found


def _weights(rows: Sequence[Row], positions: Doubles, second: Doubles, measured: Mask) -> tuple[float, ...]:
    """Return the logistic regression of the labels on both, by Newton's method; every family weighs by the root of its size."""
    chosen: Indices = np.flatnonzero(measured & np.array([row.learnable for row in rows]))
    inputs = np.stack([positions[chosen], second[chosen], np.ones(len(chosen))], axis=1)
    labels = np.array([rows[at].label for at in chosen], np.float32)
    importance = importances(labels, np.array([rows[at].family for at in chosen]), 0.5)
    weights = np.zeros(3)
    for _ in range(_STEPS):
        chance = 1 / (1 + np.exp(-inputs @ weights))
        gradient = inputs.T @ (importance * (chance - labels)) + _RIDGE * weights
        curvature = (inputs * (importance * chance * (1 - chance))[:, None]).T @ inputs + _RIDGE * np.eye(3)
        weights = weights - np.linalg.solve(curvature, gradient)
    return tuple(map(float, weights))


def _worth_reading(rows: Sequence[Row], positions: Doubles, both: Doubles, measured: Mask, spoken: Mask) -> float:
    """Return the position under which hardly any attack lies that reading would flag; never one that is flagged unread."""
    flagged = report(rows, np.where(measured, both, np.nan)).thresholds.default.flag
    attacks = spoken & np.array([row.label == 1 for row in rows]) & (both >= log_odds(flagged))
    return float(min(0.0, np.quantile(positions[attacks], LOST_ATTACKS)))


def _read(rows: Sequence[Row], read: Mask, measured: Mask) -> dict[str, float]:
    kinds = np.array([kind_of(row) for row in rows])
    return {str(kind): float(read[measured & (kinds == kind)].mean()) for kind in np.unique(kinds[measured])}
