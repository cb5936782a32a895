"""The probability of each candidate: 256 draws from the posteriors, a floor, and a bound on what exploring may cost."""

import hashlib

import numpy as np
from numpy.typing import NDArray

DRAWS = 256
SCALE = 0.15  # Of the posterior's standard deviation. Wider draws explored away more than they learned: many models, few ratings.
KAPPA = 1.0
MAX_FLOOR_MASS = 0.04  # Over all candidates: the draws explore already, and a tenth cost a tenth of the gain.
MAX_EXPECTED_LOSS = 0.02  # Utility that exploring may cost against the Day-0 choice: a fifth of an NPS point.


def explored(utilities: list[float], variances: list[float], *, floor: float, day0: int, key: str) -> list[float]:
    """
    Return the probability of each candidate; they add up to 1.

    *day0* is the candidate that benchmarks alone would choose: the expected utility stays within `MAX_EXPECTED_LOSS` of
    its own. *key* names snapshot, task and candidates, so that the draws can be made again.
    """
    means = np.asarray(utilities)
    wins = np.bincount(_draws(means, np.asarray(variances), key, scale=SCALE).argmax(axis=1), minlength=means.size)
    chances = KAPPA * wins / DRAWS
    chances[means.argmax()] += 1.0 - KAPPA
    return _guarded(_floored(chances, floor), means, day0)


def best_probabilities(utilities: list[float], variances: list[float], *, key: str) -> list[float]:
    """Return how likely each candidate is the best there is, by the whole width of the posteriors: calibrated, unfloored."""
    draws = _draws(np.asarray(utilities), np.asarray(variances), key, scale=1.0)
    return [float(wins) / DRAWS for wins in np.bincount(draws.argmax(axis=1), minlength=len(utilities))]


def one_hot(size: int, winner: int, *, floor: float) -> list[float]:
    """Return the probabilities of a strategy that has a winner, with the exploration floor under the others."""
    chosen = np.zeros(size)
    chosen[winner] = 1.0
    return _as_list(_floored(chosen, floor))


def proportional(shares: list[float]) -> list[float]:
    """Return probabilities in proportion to *shares*; equal ones where all shares are zero."""
    total = sum(shares)
    return [share / total for share in shares] if total > 0 else [1.0 / len(shares)] * len(shares)


def _draws(
    means: NDArray[np.float64], variances: NDArray[np.float64], key: str, *, scale: float
) -> NDArray[np.float64]:
    seed = int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest(), "big")
    noise = np.random.Generator(np.random.PCG64(seed)).standard_normal((DRAWS, means.size))
    return means + scale * np.sqrt(variances) * noise


def _floored(chances: NDArray[np.float64], floor: float) -> NDArray[np.float64]:
    least = min(max(0.0, floor), MAX_FLOOR_MASS / chances.size)
    return chances * (1.0 - least * chances.size) + least


def _guarded(chances: NDArray[np.float64], utilities: NDArray[np.float64], day0: int) -> list[float]:
    best = int(utilities.argmax())
    expected = float(chances @ utilities)
    least = float(utilities[day0]) - MAX_EXPECTED_LOSS
    if expected >= least:
        return _as_list(chances)
    kept = (float(utilities[best]) - least) / (float(utilities[best]) - expected)
    greedy = np.zeros_like(chances)
    greedy[best] = 1.0
    return _as_list(kept * chances + (1.0 - kept) * greedy)


def _as_list(chances: NDArray[np.float64]) -> list[float]:
    return [float(chance) for chance in chances / chances.sum()]
