"""A long text in pieces that can be searched one by one: nothing that is looked for reaches over the end of one."""

import re
from collections.abc import Iterator
from typing import Final

USUAL: Final = 2_048
"""Characters of a piece, about; a piece is searched in one go."""
LONGEST: Final = USUAL + 512
"""A piece is longer than usual to end where a text can be cut, up to this; then it is cut anywhere."""

_CUT: Final = re.compile(
    r"""\n|\\n|[,;>}\]](?:\s|(?=["{\[]))|(?<=[a-z])[,.]? (?=[a-z])|(?<=[^\x00-\u2fff])(?=[^\x00-\u2fff])"""
)
_PEM_BEGIN: Final = "-----BEGIN "
_PEM_END: Final = "-----END "
_LONGEST_KEY: Final = 16_384


def pieces(text: str) -> Iterator[str]:
    """Yield *text* in order and whole."""
    start = 0
    while start < len(text):
        end = cut(text, start)
        yield text[start:end]
        start = end


def cut(text: str, start: int) -> int:
    """Return where the piece of *text* that begins at *start* ends: after a line or clause, never inside an armoured key."""
    if len(text) - start <= USUAL:
        return len(text)
    end = _after_clause(text, start + USUAL, start + LONGEST)
    opened = text.rfind(_PEM_BEGIN, start, end)
    if opened < 0 or text.find(_PEM_END, opened, end) >= 0:
        return end
    closed = text.find(_PEM_END, end, end + _LONGEST_KEY)
    return end if closed < 0 else _after_clause(text, closed, closed + USUAL)


def _after_clause(text: str, at: int, limit: int) -> int:
    found = _CUT.search(text, at, limit)
    return min(len(text), limit) if found is None else found.end()
