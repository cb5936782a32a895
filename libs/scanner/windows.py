"""Windows: how long texts are cut for scoring, so that length never hides a passage."""

from collections.abc import Iterator
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt

Spans = npt.NDArray[np.int64]

CUT_CHARS: Final = 8_192
"""Longest text normalised and tokenised at once; the interpreter lock is given back between two of them."""

OVERLAP_CHARS: Final = 256
"""Repeated at the start of the next cut, so that a passage across the cut is whole in one of them."""

SIZES: Final = (32, 64, 256)
"""Tokens scored together. The small ones keep the text around an attack from outvoting it, the large one reads long attacks whole."""


LENGTHS_KEPT: Final = 1_024
"""Numbers of tokens whose windows are remembered: at most a few kilobytes each."""


def cuts(text: str) -> Iterator[str]:
    """Cut `text` into overlapping runs of at most `CUT_CHARS` characters; together they hold every character."""
    yield text[:CUT_CHARS]
    for start in range(CUT_CHARS, len(text), CUT_CHARS - OVERLAP_CHARS):
        yield text[start - OVERLAP_CHARS : start - OVERLAP_CHARS + CUT_CHARS]


@lru_cache(LENGTHS_KEPT)
def windows(length: int) -> Spans:
    """
    Return the half-open token ranges (w x 2, not to be written to) scored for a text of `length` tokens, without repetition.

    Windows of one size overlap by half and the last one ends the text: any passage of half a size is whole in one of them.
    """
    whole = np.array([[0, length]], np.int64)
    smaller = [_of_size(length, size) for size in SIZES if size < length]
    found = np.concatenate(smaller if length > SIZES[-1] else [*smaller, whole])
    found.flags.writeable = False
    return found


def _of_size(length: int, size: int) -> Spans:
    starts = np.append(np.arange(0, length - size, size // 2), length - size)
    return np.stack([starts, starts + size], axis=1)
