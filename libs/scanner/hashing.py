"""Hashing of token n-grams into weight slots: the definition that training and the ONNX graph share."""

from typing import Final

import numpy as np
import numpy.typing as npt

SLOTS: Final = 2**19 - 1
"""A prime: n-grams that differ in one token never meet in one slot."""

NGRAM_SIZES: Final = 2
"""Single tokens and pairs; triples fitted the training sources better and unseen ones worse."""

MULTIPLIERS: Final = (1_000_003, 8_191)
"""Of the first and the second token of an n-gram."""

SALTS: Final = (0, 174_763)
"""Added by size, so that a single token does not look like a pair that ends in padding."""


def slots_of(ids: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the slot of each n-gram, size by start (2 x n); tokens past the end are zero, as the separator is."""
    padded = np.concatenate([ids, np.zeros(NGRAM_SIZES - 1, np.int64)])
    terms = [padded[at : at + len(ids)] * multiplier for at, multiplier in enumerate(MULTIPLIERS)]
    sums = np.cumsum(np.stack(terms), axis=0)
    return np.asarray((sums + np.array(SALTS)[:, None]) % SLOTS)
