"""Numbers that move money: payment cards (ISO/IEC 7812) and bank accounts (IBAN, ISO 13616)."""

import re
from typing import Final

from stdnum import iban
from stdnum.iso7064 import mod_97_10

_ISSUERS: Final = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})"  # Visa
    r"|5[1-5]\d{14}|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}"  # Mastercard
    r"|3[47]\d{13}"  # American Express
    r"|3(?:0[0-5]|[68]\d|9\d)\d{11,16}"  # Diners Club
    r"|35(?:2[89]|[3-8]\d)\d{12,15}"  # JCB
    r"|(?=\d{16,19}\Z)(?:60|65|64[4-9]|62|81|82|508)\d+"  # Discover, UnionPay, RuPay
    r"|(?:5018|5020|5038|5893|6304|6759|676[1-3])\d{8,15}"  # Maestro
    r"|220[0-4]\d{12,15}"  # Mir
)
_VALUES: Final = bytes.maketrans(b"0123456789", bytes(range(10)))
_DOUBLED: Final = bytes.maketrans(bytes(range(10)), bytes((0, 2, 4, 6, 8, 1, 3, 5, 7, 9)))
_LONGEST_CARD: Final = 19
_SEPARATORS: Final = str.maketrans("", "", " -.")


def is_card(digits: str) -> bool:
    """Say whether *digits* is a number that an issuer could have given: prefix, length and Luhn's check digit."""
    return len(digits) <= _LONGEST_CARD and _ISSUERS.fullmatch(digits) is not None and has_luhn_digit(digits)


def has_luhn_digit(digits: str) -> bool:
    """Say whether the last of *digits* is Luhn's check digit; a tenth of the price of the library's, for tables of numbers."""
    values = digits.encode().translate(_VALUES)
    return (sum(values[-1::-2]) + sum(values[-2::-2].translate(_DOUBLED))) % 10 == 0


def iban_length(text: str) -> int:
    """Return how many characters of *text*, which begins like an IBAN and may go on, are one; 0 where none are."""
    ends = [at for at in range(len(text), 14, -1) if not text[at : at + 1].isalnum() and text[at - 1].isalnum()]
    return next((end for end in ends if _is_iban(text[:end].translate(_SEPARATORS).upper())), 0)


def _is_iban(value: str) -> bool:
    return value.isascii() and mod_97_10.is_valid(value[4:] + value[:4]) and iban.is_valid(value, check_country=False)
