"""
Telephone numbers as people write them: international, North American, and any other that is called a telephone number.

The country codes are those of ITU-T E.164. A number has at most 15 digits; where one ends and the next begins is a guess, and
the guess takes more rather than less.
"""

import re
from typing import Final

_COUNTRIES: Final = (
    r"(?:1|7|2(?:0|7|1[1-368]|[2346]\d|5[0-8]|9[0179])|3(?:[0-469]|5\d|7\d|8[0125679])|4(?:[013-9]|2[013])"
    r"|5(?:[1-8]|0\d|9\d)|6(?:[0-6]|7[02-9]|8\d|9[0-2])|8(?:[1246]|0[08]|5[02356]|7[08]|8[0-368])"
    r"|9(?:[0-58]|6[0-8]|7\d|9[2-689]))"
)
_START: Final = r"(?<![0-9A-Za-z])(?<!\d[.,])"
_END: Final = r"(?![0-9A-Za-z])"
_MORE: Final = r"(?:[ .\-/()]{0,3}\d)"

INTERNATIONAL: Final = re.compile(r"(?<![0-9A-Za-z+])\+[ ]?\(?(?=" + _COUNTRIES + r")\d" + _MORE + "{7,14}" + _END)
WITH_ACCESS_CODE: Final = re.compile(
    _START + r"00[ ]?" + _COUNTRIES + r"(?=[ .\-/(])" + _MORE + "{5,12}" + _END  # 00 49 30…, but not 0049301234 alone.
)
NORTH_AMERICAN: Final = re.compile(
    _START
    + r"(?<![.\-/])(?:1[ .\-])?(?:\(\d{3}\)[ ]?\d{3}[ .\-]|\d{3}-\d{3}-|[2-9]\d{2}([ .])[2-9]\d{2}\1)\d{4}"
    + _END
    + r"(?![.\-/]\d)"
)
NAMED: Final = re.compile(_START + r"\(?\d" + _MORE + "{6,13}" + _END)
_WORDS: Final = (
    *("phone", "mobile", "whatsapp", "telef[oó]no?", "telefone", "téléphone", "handynummer", "rufnummer", "m[oó]vil"),
    *("celular", "cellulare", "portable"),
    r"(?<![a-z])(?:tel|fax|cell|mob|sms|call(?:[ ](?:me|us|him|her|them))?|(?:my|our|his|her|their)[ ]number)(?![a-z])",
)
NAMES: Final = re.compile(
    rf"(?i)(?<!\[)(?:{'|'.join(_WORDS)})(?![a-z])(?:[ _\-]?(?:number|nummer|num[eé]ro|número|no|nr)\b)?"
    r"(?:[ ](?:is|at|on)\b)?[^0-9A-Za-z\n]{0,5}\Z"
)
"""What makes the digits right after it a telephone number; a placeholder does not."""
STEMS: Final = (
    *(
        "phone",
        "mob",
        "whatsapp",
        "tel",
        "fax",
        "cell",
        "sms",
        "call",
        "number",
        "handynummer",
        "rufnummer",
        "portable",
    ),
    *("movil", "móvil", "celular", "télé"),
)
"""One of these is in every one of `NAMES`, in lower case: seeing that there is none is far faster than the search."""
