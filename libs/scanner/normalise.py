"""Normalisation: one plain spelling for text that hides behind Unicode."""

import re
import sys
import unicodedata
from collections.abc import Iterator
from typing import Final

from libs.scanner.lookalikes import LOOKALIKES

_TAG_BLOCK: Final = 0xE0000
_WORD: Final = re.compile(r"\w+")
_ESCAPED: Final = re.compile(r"\\+[nrt\"]")


def _invisible() -> Iterator[int]:
    """Zero-width and other format characters, variation selectors and combining marks: none changes what is said."""
    return (code for code in range(sys.maxunicode + 1) if unicodedata.category(chr(code)) in {"Cf", "Mn"})


_FOLDS: Final[dict[int, str | None]] = dict.fromkeys(_invisible()) | {
    _TAG_BLOCK + code: chr(code) for code in range(0x20, 0x7F)
}


def normalise(text: str) -> str:
    """
    Return `text` in compatibility form, without invisible characters and accents, tag characters and lookalikes made plain.

    A letter of another script is replaced by the Latin one it imitates only in a word that mixes both. A line feed or quote that JSON
    or source code escaped is a space: it would hide the word behind it. Idempotent.
    """
    plain = text if text.isascii() else unicodedata.normalize("NFKD", text).translate(_FOLDS)
    if "\\" in plain:
        plain = _ESCAPED.sub(" ", plain)
    return plain if plain.isascii() else _WORD.sub(_unmixed, plain)


def _unmixed(match: re.Match[str]) -> str:
    word = match.group()
    if word.isascii() or not any(letter.isascii() and letter.isalpha() for letter in word):
        return word
    return word.lower().translate(LOOKALIKES)
