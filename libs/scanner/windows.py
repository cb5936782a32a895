"""Windows: how long texts are cut for scoring, so that length never hides a passage."""

from collections.abc import Iterator
from typing import Final

CUT_CHARS: Final = 16_384
"""Longest text normalised and tokenised at once; the interpreter lock is given back between two of them."""

OVERLAP_CHARS: Final = 256
"""Repeated at the start of the next cut, so that a passage across the cut is whole in one of them."""

WINDOW_TOKENS: Final = 256
"""Tokens scored together: longer than nearly every attack, short enough that the text around cannot outvote it."""

STEP_TOKENS: Final = 128
"""From one window's start to the next: any passage of `WINDOW_TOKENS - STEP_TOKENS` tokens is whole in one window."""


def cuts(text: str) -> Iterator[str]:
    """Cut `text` into overlapping runs of at most `CUT_CHARS` characters; together they hold every character."""
    yield text[:CUT_CHARS]
    for start in range(CUT_CHARS, len(text), CUT_CHARS - OVERLAP_CHARS):
        yield text[start - OVERLAP_CHARS : start - OVERLAP_CHARS + CUT_CHARS]


def windows(length: int) -> list[tuple[int, int]]:
    """Return the half-open token ranges scored for a text of `length` tokens: all of them of equal size, the last one ends the text."""
    if length <= WINDOW_TOKENS:
        return [(0, length)]
    starts = [*range(0, length - WINDOW_TOKENS, STEP_TOKENS), length - WINDOW_TOKENS]
    return [(start, start + WINDOW_TOKENS) for start in starts]
