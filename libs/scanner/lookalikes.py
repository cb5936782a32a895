"""Letters of other scripts that are drawn like a Latin letter (a subset of Unicode's confusables, lower case)."""

from typing import Final

_BY_LATIN: Final = {
    "a": "\u0430\u03b1\u0251\u1d00",
    "b": "\u0432\u044c\u03b2\u0299",
    "c": "\u0441\u03c2\u1d04",
    "d": "\u0501\u1d05",
    "e": "\u0435\u03b5\u1d07\u0454",
    "f": "\ua730",
    "g": "\u0261\u0262\u0581",
    "h": "\u043d\u04bb\u029c\u0570",
    "i": "\u0456\u03b9\u0131\u026a\u0269",
    "j": "\u0458\u03f3\u1d0a",
    "k": "\u043a\u03ba\u1d0b",
    "l": "\u04cf\u029f",
    "m": "\u043c\u1d0d",
    "n": "\u043f\u03b7\u0274\u0578",
    "o": "\u043e\u03bf\u03c3\u1d0f\u0585",
    "p": "\u0440\u03c1\u1d18",
    "q": "\u051b",
    "r": "\u0433\u0280",
    "s": "\u0455\ua731",
    "t": "\u0442\u03c4\u1d1b",
    "u": "\u03c5\u057d\u1d1c",
    "v": "\u03bd\u1d20\u0475",
    "w": "\u051d\u03c9\u1d21",
    "x": "\u0445\u03c7",
    "y": "\u0443\u03b3\u028f",
    "z": "\u1d22",
}

LOOKALIKES: Final = {ord(drawn): latin for latin, letters in _BY_LATIN.items() for drawn in letters}
"""Code point to Latin letter, for `str.translate`."""
