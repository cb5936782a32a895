"""What another policy would have been worth, from decisions that were logged with the probability they were made with."""

from collections.abc import Sequence
from math import sqrt

import msgspec
import numpy as np
from numpy.typing import NDArray

Z95 = 1.96
LEAST_EFFECTIVE = 50.0  # Draws' worth of evidence below which no interval can be trusted.
LEAST_VARIANCE = 0.01  # Of rewards: what a log of equal ratings is taken to vary, so that it does not look certain.
MAX_UNCOVERED = 0.01  # Share of the other policy's choices that the log could never have shown.
CERTAIN = 1.0 - 1e-9


class Draw(msgspec.Struct, frozen=True, kw_only=True):
    """
    One logged choice with its outcome.

    *propensity* is the probability with which the log chose it and *target* that of the other policy; *covered* is the share
    of the other policy's probability on models that the log might have chosen. *expected_taken* is the score expected of the
    model taken, *expected_target* the mean of what is expected of the other policy's choices.
    """

    propensity: float
    target: float
    covered: float
    reward: float
    cost_micro_usd: float
    expected_taken: float
    expected_target: float


class Interval(msgspec.Struct, frozen=True, kw_only=True):
    """An estimate and its 95 % confidence interval."""

    value: float
    low: float
    high: float


class Overlap(msgspec.Struct, frozen=True, kw_only=True):
    """
    How much of the log speaks for the other policy.

    *effective* is the number of on-policy draws that its *draws* are worth, *needed* what the asked-for precision takes;
    *explored* is the share of draws that were not certain, *uncovered* that of the other policy's choices nobody could see.
    """

    draws: int
    effective: float
    needed: float
    explored: float
    uncovered: float


class Evaluation(msgspec.Struct, frozen=True, kw_only=True):
    """
    The other policy's value beside the logged one's, in score points and micro-dollars per draw.

    *refused* says why there is no estimate; then only *overlap* and what was logged are told. *ips* weighs outcomes by
    target/propensity, *snips* divides by the sum of the weights, *dr* corrects what was expected by what was seen.
    """

    overlap: Overlap
    logged: Interval | None = None
    logged_cost: Interval | None = None
    refused: str | None = None
    ips: Interval | None = None
    snips: Interval | None = None
    dr: Interval | None = None
    cost: Interval | None = None


def evaluate(draws: Sequence[Draw], *, precision: float = 0.05) -> Evaluation:
    """Estimate the other policy to about ± *precision* score points; refuses where the log cannot carry that."""
    if not draws:
        return Evaluation(overlap=_nothing(), refused="there are no rated draws")
    propensity, target, covered, rewards, costs, taken, expected = np.array(
        [msgspec.structs.astuple(draw) for draw in draws], dtype=np.float64
    ).T
    weights = target / propensity
    overlap = _overlap(weights, propensity, covered, rewards, precision)
    told = Evaluation(overlap=overlap, logged=_mean(rewards), logged_cost=_mean(costs), refused=_refusal(overlap))
    if told.refused is not None:
        return told
    return msgspec.structs.replace(
        told,
        ips=_mean(weights * rewards),
        snips=_ratio(weights, rewards),
        dr=_mean(expected + weights * (rewards - taken)),
        cost=_ratio(weights, costs),
    )


def _overlap(
    weights: NDArray[np.float64],
    propensity: NDArray[np.float64],
    covered: NDArray[np.float64],
    rewards: NDArray[np.float64],
    precision: float,
) -> Overlap:
    squares = float(weights @ weights)
    variance = max(LEAST_VARIANCE, float(rewards.var()))
    return Overlap(
        draws=len(weights),
        effective=float(weights.sum()) ** 2 / squares if squares > 0 else 0.0,
        needed=max(LEAST_EFFECTIVE, variance * (Z95 / precision) ** 2),
        explored=float((propensity < CERTAIN).mean()),
        uncovered=max(0.0, float(1.0 - covered.mean())),
    )


def _refusal(overlap: Overlap) -> str | None:
    if overlap.explored == 0:
        return "every logged choice was certain: the log shows nothing of other choices"
    if overlap.uncovered > MAX_UNCOVERED:
        return f"{overlap.uncovered:.1%} of the other policy's choices could never have been made in the log"
    if overlap.effective < overlap.needed:
        return (
            f"{overlap.draws} draws are worth {overlap.effective:.0f} of the other policy; "
            f"{overlap.needed:.0f} are needed for the precision asked for"
        )
    return None


def _mean(values: NDArray[np.float64]) -> Interval:
    deviation = float(values.std(ddof=1)) if len(values) > 1 else 0.0
    return _interval(float(values.mean()), deviation / sqrt(len(values)))


def _ratio(weights: NDArray[np.float64], values: NDArray[np.float64]) -> Interval:
    """Return the weighted mean, with the variance of a ratio of two means."""
    value = float(weights @ values / weights.sum())
    residuals = weights * (values - value)
    deviation = float(residuals.std(ddof=1)) if len(values) > 1 else 0.0
    return _interval(value, deviation / float(weights.mean()) / sqrt(len(values)))


def _interval(value: float, deviation: float) -> Interval:
    return Interval(value=value, low=value - Z95 * deviation, high=value + Z95 * deviation)


def _nothing() -> Overlap:
    return Overlap(draws=0, effective=0.0, needed=LEAST_EFFECTIVE, explored=0.0, uncovered=0.0)
