"""Normalisation: one plain spelling for text that hides behind Unicode."""

import re
import sys
import unicodedata
from collections.abc import Iterator
from typing import Final

from libs.scanner.lookalikes import LOOKALIKES

_TAG_BLOCK: Final = 0xE0000
_WORD: Final = re.compile(r"\w+")


def _invisible() -> Iterator[int]:
    """Zero-width and other format characters, variation selectors and combining marks: none changes what is said."""
    return (code for code in range(sys.maxunicode + 1) if unicodedata.category(chr(code)) in {"Cf", "Mn"})


_FOLDS: Final[dict[int, str | None]] = dict.fromkeys(_invisible()) | {
    _TAG_BLOCK + code: chr(code) for code in range(0x20, 0x7F)
}


def normalise(text: str) -> str:
    """
    Return `text` in compatibility form, without invisible characters and accents, tag characters and lookalikes made plain.

    A letter of another script is replaced by the Latin one it imitates only in a word that mixes both. Idempotent.
    """
    if text.isascii():
        return text
    return _WORD.sub(_unmixed, unicodedata.normalize("NFKD", text).translate(_FOLDS))


def _unmixed(match: re.Match[str]) -> str:
    word = match.group()
    if word.isascii() or not any(letter.isascii() and letter.isalpha() for letter in word):
        return word
    return word.lower().translate(LOOKALIKES)
