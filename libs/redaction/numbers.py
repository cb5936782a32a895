"""
Everything that is known by its digits: cards, accounts, national ids, telephone numbers.

Most text holds few digits. A cheap pass over the character classes finds the clusters that are long enough to be anything;
only those are looked at closely.
"""

import re
from collections.abc import Callable, Iterator
from typing import Final

import msgspec

from libs.redaction import national_ids, phones
from libs.redaction.national_ids import NATIONAL_IDS
from libs.redaction.payments import iban_length, is_card

LONGEST_NAME: Final = 48
"""Characters before a number in which its name is looked for."""

_BEFORE: Final = 8
_CLASSES: Final = bytes(
    ord("9") if chr(code).isdigit() and code < 128  # noqa: PLR2004 - ASCII
    else ord("A") if 65 <= code <= 90  # noqa: PLR2004
    else ord("a") if 97 <= code <= 122  # noqa: PLR2004
    else ord("-") if chr(code) in " .-/()"
    else ord(" ")
    for code in range(256)
)  # fmt: skip
_CLUSTER: Final = re.compile(rb"9[9Aa]*+(?:-{1,3}+(?:9[9Aa]*+|A{1,4}+(?:9[9A]*+)?+(?!a)))*+")
_SHORTEST: Final = re.compile(rb"99(?:A99A999A|99A)")
_ONE_CASE: Final = bytes.maketrans(b"a", b"A")
_PLAIN: Final = dict.fromkeys("\u00a0\u2007\u2009\u202f", " ") | dict.fromkeys("\u2010\u2011\u2012\u2013", "-")

_CARD: Final = re.compile(
    r"(?<![0-9A-Za-z])(?<!\d[.,])"
    r"(?:[2-68]\d{3}([ .\-]{1,2})\d{4}\1\d{4}\1\d{1,7}|3\d{3}([ .\-])\d{6}\2\d{4,5}|[2-68]\d{11,18})"
    r"(?![0-9A-Za-z])(?!\.\d)"
)
_IBAN: Final = re.compile(r"(?<![0-9A-Za-z])[A-Za-z]{2}\d{2}(?:[A-Za-z0-9]{1,30}+)?(?:[ \-][A-Z0-9]{1,16}+){0,8}+")
_STEMS: Final = (*phones.STEMS, *national_ids.STEMS)
_RUN: Final = re.compile(rb"9+")
_TIME: Final = re.compile(rb"9999-99-99(?:-99)?")
_NOT_DIGITS: Final = re.compile(r"\D+")


class Span(msgspec.Struct, frozen=True):
    """Where a value stands, and its kind."""

    start: int
    end: int
    kind: str


class _Region(msgspec.Struct, frozen=True):
    """
    A cluster with a little before it, and what it takes to see that most kinds cannot be in it.

    *is_named* says that a name of a kind may be near, *digits* how many there are without a letter between.
    """

    text: str
    start: int
    end: int
    context: str
    is_named: bool
    has_capitals: bool
    digits: int


def find_numbers(text: str, kinds: frozenset[str], context: str = "") -> Iterator[Span]:
    """Yield the numbers of *kinds* in *text*, which *context* (the name of a field) introduces; they may overlap."""
    folded = _folded(text)
    classes = folded.encode("latin-1", "replace").translate(_CLASSES)
    if not _may_hold_any(classes):
        return
    stems = _stems(folded, context)
    for cluster in _CLUSTER.finditer(classes):
        start = max(0, cluster.start() - _BEFORE)
        near = classes[start : cluster.end()]
        if _may_hold_any(near) and not _is_time(folded, cluster):
            yield from _in_cluster(_region(folded, near, start, context, stems), kinds)


def _stems(text: str, context: str) -> list[str]:
    """Return what names there may be anywhere: most texts have none, and no number has to look for them."""
    words = f"{text} {context}".lower()
    return [stem for stem in _STEMS if stem in words]


def _region(text: str, classes: bytes, start: int, context: str, stems: list[str]) -> _Region:
    end = start + len(classes)
    words = f"{text[max(0, start - LONGEST_NAME) : end]} {context}".lower() if stems else ""
    return _Region(
        text=text,
        start=start,
        end=end,
        context=context,
        is_named=any(stem in words for stem in stems),
        has_capitals=b"A" in classes,
        digits=max(map(len, _RUN.findall(classes.translate(None, b"-")))),
    )


def _is_time(text: str, cluster: "re.Match[bytes]") -> bool:
    """Say whether a cluster is no more than an ISO 8601 date, with an hour or not: most clusters of logs are."""
    return _TIME.fullmatch(cluster[0]) is not None and text[cluster.start() : cluster.start() + 2] in ("19", "20")


def _may_hold_any(classes: bytes) -> bool:
    """Say whether there are six digits in a row but for separators, or what only an Indian or Italian number looks like."""
    if b"999999" in classes.translate(None, b"-"):
        return True
    return _SHORTEST.search(classes.translate(_ONE_CASE)) is not None


def _folded(text: str) -> str:
    """Return *text* with plain spaces and hyphens, and spaces where JSON text escapes white space; it keeps its length."""
    if "\\" in text:
        text = text.replace("\\n", "  ").replace("\\t", "  ").replace("\\r", "  ")
    if text.isascii():
        return text
    for odd, plain in _PLAIN.items():  # Ten times as fast as `translate`, which asks for each character.
        text = text.replace(odd, plain)
    return text


def _in_cluster(region: _Region, kinds: frozenset[str]) -> Iterator[Span]:
    if "card" in kinds and region.digits >= 12:  # noqa: PLR2004 - the shortest
        yield from _spans(region, "card", _CARD, _card_end)
    if "iban" in kinds:
        yield from _spans(region, "iban", _IBAN, _iban_end)
    if "national_id" in kinds:
        yield from _national_ids(region)
    if "phone" in kinds and region.digits >= 7:  # noqa: PLR2004 - the fewest
        yield from _phones(region)


def _national_ids(region: _Region) -> Iterator[Span]:
    for kind in NATIONAL_IDS:
        if region.digits >= kind.digits and (region.has_capitals or not kind.has_capitals):
            yield from _spans(region, "national_id", kind.shape, _valid_end(kind.is_valid), kind.name)


def _phones(region: _Region) -> Iterator[Span]:
    if region.text.find("+", region.start, region.end) >= 0:
        yield from _spans(region, "phone", phones.INTERNATIONAL, re.Match.end)
    if region.text.find("00", region.start, region.end) >= 0:
        yield from _spans(region, "phone", phones.WITH_ACCESS_CODE, re.Match.end)
    yield from _spans(region, "phone", phones.NORTH_AMERICAN, re.Match.end)
    yield from _spans(region, "phone", phones.NAMED, re.Match.end, phones.NAMES)


def _spans(
    region: _Region,
    kind: str,
    shape: "re.Pattern[str]",
    end_of: Callable[["re.Match[str]"], int],
    name: "re.Pattern[str] | None" = None,
) -> Iterator[Span]:
    """Yield what has *shape* and, by *end_of*, an end (0: it is none); one that is none may hide another that begins later."""
    if name is not None and not region.is_named:
        return
    at = region.start
    while (found := shape.search(region.text, at, region.end + 1)) is not None:
        end = end_of(found) if name is None or _is_named(region, found.start(), name) else 0
        if end:
            yield Span(found.start(), end, kind)
        at = end or found.start() + 1


def _is_named(region: _Region, start: int, name: "re.Pattern[str]") -> bool:
    before = region.text[max(0, start - LONGEST_NAME) : start]
    return name.search(before) is not None or (bool(region.context) and name.search(region.context) is not None)


def _card_end(found: "re.Match[str]") -> int:
    return found.end() if is_card(_NOT_DIGITS.sub("", found[0])) else 0


def _iban_end(found: "re.Match[str]") -> int:
    length = iban_length(found[0])
    return found.start() + length if length else 0


def _valid_end(is_valid: Callable[[str], bool]) -> Callable[["re.Match[str]"], int]:
    return lambda found: found.end() if is_valid(found[0].upper()) else 0
