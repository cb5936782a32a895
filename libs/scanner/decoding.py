"""Decoding: texts carried inside a text as base64, hexadecimal, escapes, rot13, spaced letters or digits for letters."""

import base64
import binascii
import codecs
import re
from collections.abc import Callable, Iterator
from itertools import islice
from string import ascii_letters, digits, hexdigits
from typing import Final
from urllib.parse import unquote_plus

MAX_RUNS: Final = 32
"""Encoded runs tried per text and encoding."""

MAX_DECODED_CHARS: Final = 16_384
"""Characters handed on per text, over all encodings."""

MAX_DEPTH: Final = 2
"""How often an encoding inside an encoding is followed."""

_LEAST_PRINTABLE: Final = 0.9
_LEAST_RUN_CHARS: Final = 16
_LEAST_LETTERS: Final = 6
_LEAST_PAIRS: Final = 8
_LEAST_ESCAPES: Final = 3
_LEAST_ROT13_WORDS: Final = 2
_LEAST_SWAPPED_WORDS: Final = 3
_LEAST_SWAPPED_SHARE: Final = 0.3

_BASE64: Final = re.compile(r"[A-Za-z0-9+/_-]{16,}={0,2}")
_HEX: Final = re.compile(r"(?:(?:0x|\\x)?[0-9A-Fa-f]{2}[\s:,]{0,2}){8,}")
_HEX_DRESS: Final = re.compile(r"0x|\\x|[\s:,]")
_ESCAPE: Final = re.compile(r"\\(?:u[0-9A-Fa-f]{4}|x[0-9A-Fa-f]{2})")
_PERCENT: Final = re.compile(r"%[0-9A-Fa-f]{2}")
_SPACED: Final = re.compile(r"(?<![^\W_])[^\W_](?:[ .*_|\\-]{1,3}[^\W_](?![^\W_])){5,}")
_SWAPPED: Final = re.compile(r"[0134567@$€](?=[A-Za-z])\S*")
_SWAPPED_ANYWHERE: Final = re.compile(r"[013456789@$€|+](?=[A-Za-z])|(?<=[A-Za-z])[013456789@$€|+]")
_ROT13_WORDS: Final = tuple(b"vtaber cerivbhf vafgehpgvba cebzcg flfgrz erirny sbyybj sbetrg cnffjbeq".split())
_LETTERS: Final = dict(zip("013456789@$€|+", "oieasgtbgaselt", strict=True))


def decoded(text: str) -> tuple[str, ...]:
    """Return the texts found encoded inside `text`, at most `MAX_DECODED_CHARS` characters in all; mostly none."""
    found: list[str] = []
    layer = [text]
    for _ in range(MAX_DEPTH):
        layer = [inner for outer in layer for inner in _one_layer(outer)]
        found += layer
    return tuple(_bounded(found)) if found else ()


def _one_layer(text: str) -> Iterator[str]:
    """Try only what a look at the kinds of characters cannot rule out: most texts are plain."""
    seen = text.encode("ascii", "replace")
    candidates = (decode(text) for may_hold, decode in _ENCODINGS if may_hold(seen))
    return (inner for inner in candidates if inner and inner != text)


def _kinds(**kinds: str) -> bytes:
    """Return a table for `bytes.translate` that writes the name of its kind for each character, and a tilde for all others."""
    table = bytearray(b"~" * 256)
    for kind, characters in kinds.items():
        for code in characters.encode():
            table[code] = ord(kind)
    return bytes(table)


_OTHER: Final = "?"
"""What stands for every character beyond ASCII in a look."""

_RUN_KINDS: Final = _kinds(x=ascii_letters + digits + "+/_-")
_HEX_KINDS: Final = _kinds(x=hexdigits)
_HEX_DRESS_BYTES: Final = b"xX\\:,? \t\n\r\f\v\x1c\x1d\x1e\x1f"
_SPACED_KINDS: Final = _kinds(a=ascii_letters + digits + _OTHER, s=" .*_|\\-")
_SWAPPED_KINDS: Final = _kinds(a=ascii_letters, d="0134567@$" + _OTHER)


def _may_hold_base64(seen: bytes) -> bool:
    return b"x" * _LEAST_RUN_CHARS in seen.translate(_RUN_KINDS)


def _may_hold_hex(seen: bytes) -> bool:
    return b"x" * (2 * _LEAST_PAIRS) in seen.translate(_HEX_KINDS, _HEX_DRESS_BYTES)


def _may_hold_spaced(seen: bytes) -> bool:
    single = seen.translate(_SPACED_KINDS).replace(b"sss", b"s").replace(b"ss", b"s")
    return b"s" + b"as" * (_LEAST_LETTERS - 2) in single


def _may_hold_escapes(seen: bytes) -> bool:
    return seen.count(b"\\") >= _LEAST_ESCAPES


def _may_hold_percent(seen: bytes) -> bool:
    return seen.count(b"%") >= _LEAST_ESCAPES


def _may_hold_rot13(seen: bytes) -> bool:
    folded = seen.lower()
    return sum(word in folded for word in _ROT13_WORDS) >= _LEAST_ROT13_WORDS


def _may_hold_swapped(seen: bytes) -> bool:
    return seen.translate(_SWAPPED_KINDS).count(b"da") >= _LEAST_SWAPPED_WORDS


def _bounded(texts: list[str]) -> Iterator[str]:
    left = MAX_DECODED_CHARS
    for text in dict.fromkeys(texts):
        if left <= 0:
            return
        yield text[:left]
        left -= len(text)


def _from_base64(text: str) -> str:
    return _runs(_BASE64, " ".join(_long(text.split())), _base64_bytes)


def _base64_bytes(run: str) -> bytes:
    body = run.rstrip("=").replace("-", "+").replace("_", "/")
    return base64.b64decode(body[: len(body) - (len(body) % 4 == 1)] + "=" * (-len(body) % 4))


def _from_hex(text: str) -> str:
    words = text.split()
    spread = _pairs_in_a_row(words) or text.count("0x") >= _LEAST_PAIRS
    return _runs(_HEX, text if spread else " ".join(_long(words)), _hex_bytes)


def _hex_bytes(run: str) -> bytes:
    digits = _HEX_DRESS.sub("", run)
    return bytes.fromhex(digits[: len(digits) // 2 * 2])


def _long(words: list[str]) -> Iterator[str]:
    return (word for word in words if len(word) >= _LEAST_RUN_CHARS)


def _pairs_in_a_row(words: list[str]) -> bool:
    """Say whether two-letter words follow one another, as bytes in hexadecimal are written."""
    # A length beyond one byte wraps round: at worst the pattern is tried in vain.
    return bytes([2]) * _LEAST_PAIRS in bytes([len(word) & 0xFF for word in words])


def _runs(pattern: re.Pattern[str], text: str, decode: Callable[[str], bytes]) -> str:
    runs = islice(pattern.finditer(text), MAX_RUNS)
    return "\n".join(filter(None, (_readable(decode, run.group()) for run in runs)))


def _readable(decode: Callable[[str], bytes], run: str) -> str:
    """Return nothing for an identifier or a hash: it decodes to noise."""
    try:
        text = decode(run).decode()
    except (UnicodeDecodeError, binascii.Error, ValueError):
        return ""
    return text if sum(map(str.isprintable, text)) >= _LEAST_PRINTABLE * len(text) else ""


def _from_escapes(text: str) -> str:
    found = sum(1 for _ in islice(_ESCAPE.finditer(text), _LEAST_ESCAPES))
    if found < _LEAST_ESCAPES:
        return ""
    return _ESCAPE.sub(_unescaped, text).encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _unescaped(match: re.Match[str]) -> str:
    digits = match.group()[2:]
    return chr(int(digits, 16))


def _from_percent(text: str) -> str:
    found = sum(1 for _ in islice(_PERCENT.finditer(text), _LEAST_ESCAPES))
    return unquote_plus(text) if found >= _LEAST_ESCAPES else ""


def _from_rot13(text: str) -> str:
    return codecs.encode(text, "rot13")


def _from_spaced(text: str) -> str:
    return "\n".join(re.sub(r"[\W_]", "", run.group()) for run in islice(_SPACED.finditer(text), MAX_RUNS))


def _from_swapped(text: str) -> str:
    """Return the lines in which words with a digit for a letter are frequent: in code and records they are not."""
    if next(islice(_SWAPPED.finditer(text), _LEAST_SWAPPED_WORDS - 1, None), None) is None:
        return ""
    lines = [line for line in text.splitlines() if _is_swapped(line)]
    return _SWAPPED_ANYWHERE.sub(lambda digit: _LETTERS[digit.group()], "\n".join(lines))


def _is_swapped(line: str) -> bool:
    swapped = len(_SWAPPED.findall(line))
    return swapped >= _LEAST_SWAPPED_WORDS and swapped >= _LEAST_SWAPPED_SHARE * len(line.split())


_ENCODINGS: Final[tuple[tuple[Callable[[bytes], bool], Callable[[str], str]], ...]] = (
    (_may_hold_base64, _from_base64),
    (_may_hold_hex, _from_hex),
    (_may_hold_spaced, _from_spaced),
    (_may_hold_escapes, _from_escapes),
    (_may_hold_percent, _from_percent),
    (_may_hold_rot13, _from_rot13),
    (_may_hold_swapped, _from_swapped),
)
