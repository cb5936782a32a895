"""String literals of JSON, piece by piece: where one ends, what it means, and how to write it."""

import re
from collections.abc import Iterator
from json import JSONDecoder
from json.encoder import encode_basestring, encode_basestring_ascii
from typing import Final

_QUOTES_AT_ONCE: Final = 1_000
_LONGEST_ESCAPE: Final = 12
_DECODER: Final = JSONDecoder(strict=False)  # Half a character and control characters too, as clients send them.
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def closing_quote(text: str, at: int) -> Iterator[int | None]:
    """Yield the offset of the quote that ends the literal whose inside begins at *at*, and None now and then until it is found."""
    looked_at = 0
    while (end := text.find('"', at)) >= 0:
        if not _is_escaped(text, at, end):
            yield end
            return
        at = end + 1
        looked_at += 1
        if looked_at % _QUOTES_AT_ONCE == 0:
            yield None


def _is_escaped(text: str, start: int, end: int) -> bool:
    at = end
    while at > start and text[at - 1] == "\\":
        at -= 1
    return (end - at) % 2 == 1


def decoded(raw: str, start: int, end: int) -> tuple[int, str]:
    """
    Return what *raw* means from *start* to *end*, and the end: later where an escape reached over it.

    Raises ValueError where it is no inside of a literal.
    """
    if raw.find("\\", start, end) < 0:
        return end, raw[start:end]
    for last in range(end, min(len(raw), end + _LONGEST_ESCAPE) + 1):
        try:
            return last, str(_DECODER.decode(f'"{raw[start:last]}"'))
        except ValueError:
            continue
    raise ValueError("not the inside of a JSON string")


def encoded(text: str) -> str:
    """Return *text* as the inside of a literal; half a character, which UTF-8 cannot write, stays an escape."""
    write = encode_basestring_ascii if not text.isascii() and _SURROGATE.search(text) else encode_basestring
    return str(write(text)[1:-1])
