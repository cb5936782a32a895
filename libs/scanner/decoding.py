"""Decoding: texts carried inside a text as base64, hexadecimal, escapes, rot13, spaced letters or digits for letters."""

import base64
import binascii
import codecs
import re
from collections.abc import Callable, Iterator
from itertools import islice
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
_LEAST_DRESSED_CHARS: Final = 11
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
_SPACED: Final = re.compile(r"(?<![^\W_])[^\W_](?:[ .*_|-]{1,3}[^\W_](?![^\W_])){5,}")
_SWAPPED: Final = re.compile(r"[0134567@$€](?=[A-Za-z])\S*")
_SWAPPED_ANYWHERE: Final = re.compile(r"[013456789@$€|+](?=[A-Za-z])|(?<=[A-Za-z])[013456789@$€|+]")
_ROT13_WORDS: Final = (
    "vtaber",
    "cerivbhf",
    "vafgehpgvba",
    "cebzcg",
    "flfgrz",
    "erirny",
    "sbyybj",
    "sbetrg",
    "cnffjbeq",
)
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
    """Try only what a look at the words' lengths and a few characters cannot rule out: most texts are plain."""
    words = text.split()
    long = [word for word in words if len(word) >= _LEAST_DRESSED_CHARS]
    dressed = " ".join(long)
    run = " ".join(word for word in long if len(word) >= _LEAST_RUN_CHARS)
    letters, pairs = _spread(words)
    candidates = (
        _from_base64(run),
        _from_hex(text if pairs or text.count("0x") >= _LEAST_PAIRS else run),
        _from_spaced(text if letters else dressed),
        _from_escapes(text),
        _from_percent(text),
        _from_rot13(text),
        _from_swapped(text),
    )
    return (inner for inner in candidates if inner and inner != text)


def _spread(words: list[str]) -> tuple[bool, bool]:
    """Say whether single letters stand in a row, and whether pairs do, as bytes in hexadecimal are written."""
    # A length beyond one byte wraps round: at worst a pattern is tried in vain.
    lengths = bytes([len(word) & 0xFF for word in words])
    return bytes([1]) * _LEAST_LETTERS in lengths, bytes([2]) * _LEAST_PAIRS in lengths


def _bounded(texts: list[str]) -> Iterator[str]:
    left = MAX_DECODED_CHARS
    for text in dict.fromkeys(texts):
        if left <= 0:
            return
        yield text[:left]
        left -= len(text)


def _from_base64(text: str) -> str:
    return _runs(_BASE64, text, _base64_bytes)


def _base64_bytes(run: str) -> bytes:
    body = run.rstrip("=").replace("-", "+").replace("_", "/")
    return base64.b64decode(body[: len(body) - (len(body) % 4 == 1)] + "=" * (-len(body) % 4))


def _from_hex(text: str) -> str:
    return _runs(_HEX, text, _hex_bytes)


def _hex_bytes(run: str) -> bytes:
    digits = _HEX_DRESS.sub("", run)
    return bytes.fromhex(digits[: len(digits) // 2 * 2])


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
    found = sum(1 for _ in islice(_ESCAPE.finditer(text), _LEAST_ESCAPES)) if "\\" in text else 0
    if found < _LEAST_ESCAPES:
        return ""
    return _ESCAPE.sub(_unescaped, text).encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _unescaped(match: re.Match[str]) -> str:
    digits = match.group()[2:]
    return chr(int(digits, 16))


def _from_percent(text: str) -> str:
    found = sum(1 for _ in islice(_PERCENT.finditer(text), _LEAST_ESCAPES)) if "%" in text else 0
    return unquote_plus(text) if found >= _LEAST_ESCAPES else ""


def _from_rot13(text: str) -> str:
    folded = text.lower()
    return codecs.encode(text, "rot13") if sum(word in folded for word in _ROT13_WORDS) >= _LEAST_ROT13_WORDS else ""


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
