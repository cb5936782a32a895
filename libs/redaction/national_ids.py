"""
Numbers that a state gives to a person.

Each shape is checked by the rules of its issuer (python-stdnum). What passes by chance too often, because it has no check
digit or only one, counts only in its official grouping or after its name.
"""

import re
from collections.abc import Callable
from typing import Final

import msgspec
from stdnum import verhoeff
from stdnum.br import cpf
from stdnum.de import idnr
from stdnum.es import dni, nie
from stdnum.fr import nir
from stdnum.in_ import pan
from stdnum.it import codicefiscale
from stdnum.nl import bsn

_START: Final = r"(?<![0-9A-Za-z])(?<!\d[.,])"
_END: Final = r"(?![0-9A-Za-z])(?!\.\d)"
_NOT_GIVEN: Final = frozenset(("BG", "GB", "KN", "NK", "NT", "TN", "ZZ"))


def _is_aadhaar(value: str) -> bool:
    """Check without the library's normalising, which is ten times the price; of lists of years every tenth would pass."""
    digits = value.replace(" ", "").replace("-", "")
    if not verhoeff.is_valid(digits):
        return False
    return not all(digits[at : at + 2] in ("19", "20") for at in (0, 4, 8))


class NationalId(msgspec.Struct, frozen=True, kw_only=True):
    """
    One kind of number: its *shape* and whether what has it *is_valid*.

    *digits* is the length of its longest row without a letter between, *has_capitals* that it has some; *name* has to stand
    before it, where one is given.
    """

    digits: int
    shape: "re.Pattern[str]"
    is_valid: Callable[[str], bool]
    has_capitals: bool = False
    name: "re.Pattern[str] | None" = None


_SSN: Final = r"(?:ssn|social[ _-]?security)"
_BSN: Final = r"(?:bsn|burgerservicenummer|sofi[ -]?nummer)"
_AADHAAR: Final = r"(?:aadhaa?r|uidai)"
_PAN: Final = r"(?:pan|permanent account)"
STEMS: Final = ("ssn", "social", "bsn", "burgerservicenummer", "sofi", "aadha", "uidai", "pan", "permanent account")
"""One of these is in every name, in lower case."""


def _shape(pattern: str) -> "re.Pattern[str]":
    return re.compile(_START + pattern + _END)


def _named(words: str) -> "re.Pattern[str]":
    return re.compile(rf"(?i)(?:(?<![a-z]){words})(?![a-z])[^0-9\n]{{0,32}}\Z")


def _is_nino(value: str) -> bool:
    return value[:2] not in _NOT_GIVEN


def _is_ssn(value: str) -> bool:
    """Check for what was never given; numbers known from advertisements are masked like any other."""
    digits = re.sub(r"\D", "", value)
    return digits[:3] not in ("000", "666") and digits[0] != "9" and digits[3:5] != "00" and digits[5:] != "0000"


NATIONAL_IDS: Final = (
    NationalId(digits=9, shape=_shape(r"(?<!-)\d{3}-\d{2}-\d{4}(?!-)"), is_valid=_is_ssn),  # United States
    NationalId(
        digits=9,
        shape=_shape(r"\d{3}[ .\-]?\d{2}[ .\-]?\d{4}"),
        is_valid=_is_ssn,
        name=_named(_SSN),
    ),
    NationalId(  # United Kingdom
        digits=6,
        shape=_shape(r"(?:[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z]|QQ)[ -]?\d{2}[ -]?\d{2}[ -]?\d{2}[ -]?[A-D]"),
        is_valid=_is_nino,
        has_capitals=True,
    ),
    NationalId(digits=11, shape=_shape(r"\d{2} ?\d{3} ?\d{3} ?\d{3}"), is_valid=idnr.is_valid),  # Germany
    NationalId(  # France
        digits=8,  # What follows the letter of a Corsican, whose department is 2A or 2B.
        shape=_shape(r"[12] ?\d{2} ?\d{2} ?(?:\d{2}|2[ABab]) ?\d{3} ?\d{3} ?\d{2}"),
        is_valid=nir.is_valid,
    ),
    NationalId(
        digits=8, shape=_shape(r"\d{2}\.?\d{3}\.?\d{3}-?[A-Z]"), is_valid=dni.is_valid, has_capitals=True
    ),  # Spain
    NationalId(digits=7, shape=_shape(r"[XYZ]-?\d{7}-?[A-Z]"), is_valid=nie.is_valid, has_capitals=True),
    NationalId(  # Netherlands
        digits=9,
        shape=_shape(r"\d{4}[ .]?\d{2}[ .]?\d{3}"),
        is_valid=bsn.is_valid,
        name=_named(_BSN),
    ),
    NationalId(  # Italy
        digits=2,
        shape=_shape(
            r"(?:[A-Z]{3} ?[A-Z]{3} ?\d{2}[A-Z]\d{2} ?[A-Z]\d{3}[A-Z]|[a-z]{6}\d{2}[a-z]\d{2}[a-z]\d{3}[a-z])"
        ),
        is_valid=codicefiscale.is_valid,
    ),
    NationalId(digits=11, shape=_shape(r"\d{3}\.?\d{3}\.?\d{3}-?\d{2}"), is_valid=cpf.is_valid),  # Brazil
    NationalId(digits=12, shape=_shape(r"(?<!\d{4}[ -])[2-9]\d{3}([ -])\d{4}\1\d{4}"), is_valid=_is_aadhaar),  # India
    NationalId(digits=12, shape=_shape(r"[2-9]\d{11}"), is_valid=_is_aadhaar, name=_named(_AADHAAR)),
    NationalId(
        digits=4, shape=_shape(r"[A-Z]{3}[ABCFGHJLPT][A-Z]\d{4}[A-Z]"), is_valid=pan.is_valid, has_capitals=True
    ),
    NationalId(digits=4, shape=_shape(r"[A-Z]{5}\d{4}[A-Z]"), is_valid=bool, has_capitals=True, name=_named(_PAN)),
)
