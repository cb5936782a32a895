"""Hashing of token n-grams into weight slots: the definition that training and the ONNX graph share."""

from typing import Final

import numpy as np
import numpy.typing as npt

SLOTS: Final = 2**18

MULTIPLIERS: Final = (1, 1_000_003, 8_191, 131_071)
"""Of a single token, and of the first, second and third token of a longer n-gram."""

NGRAM_SIZES: Final = 3


def slots_of(ids: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the slot of each n-gram, size by start (3 x n); past the end the tokens are zero, as the separator is."""
    padded = np.concatenate([ids, np.zeros(NGRAM_SIZES - 1, np.int64)])
    single, first, second, third = MULTIPLIERS
    pairs = padded[:-2] * first + padded[1:-1] * second
    return np.stack([ids * single, pairs, pairs + padded[2:] * third]) % SLOTS
