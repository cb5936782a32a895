"""Hashing of n-grams of tokens and of senses into weight slots: the definition that training and the ONNX graph share."""

from typing import Final

import numpy as np
import numpy.typing as npt

Slots = npt.NDArray[np.int32]

SLOTS: Final = 2**19
"""A power of two: the hash is cut by a mask. Odd multipliers keep n-grams apart that differ in one place."""

NGRAM_SIZES: Final = (1, 2, 1, 2, 3)
"""Tokens per n-gram of each kind: tokens alone and in pairs, then senses alone, in pairs and in triples."""

LONGEST: Final = max(NGRAM_SIZES)

MULTIPLIERS: Final = np.array(
    [
        [7_919, 0, 0, 0, 0, 0],
        [6_661, 13_007, 0, 0, 0, 0],
        [0, 0, 0, 4_561, 0, 0],
        [0, 0, 0, 5_449, 10_657, 0],
        [0, 0, 0, 3_307, 9_733, 14_827],
    ],
    np.int32,
)
"""By kind of n-gram: what its first, second and third token are multiplied by, then its first, second and third sense."""

SALTS: Final = np.arange(len(NGRAM_SIZES), dtype=np.int32)[:, None] * np.int32(174_763)
"""Added by kind, so that no kind of n-gram looks like another one that ends in padding."""


def slots_of(ids: npt.NDArray[np.int32], senses: npt.NDArray[np.int32]) -> Slots:
    """Return the slot of each n-gram, kind by start (k x n); what lies past the end is token zero, as the separator is."""
    following = following_of(np.concatenate([ids, np.zeros(LONGEST - 1, np.int32)]))
    hashed = MULTIPLIERS @ np.concatenate([following, senses[following]]) + SALTS
    return np.asarray(hashed & (SLOTS - 1), np.int32)


def following_of(ids: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    """Return each token with the ones after it (`LONGEST` x n), for all but the last tokens of `ids`, that have none."""
    starts = len(ids) - LONGEST + 1
    following = np.empty((LONGEST, starts), np.int32)
    for at in range(LONGEST):
        following[at] = ids[at : at + starts]
    return following
