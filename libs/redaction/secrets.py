"""
Secrets in text: found, replaced, and, for text that is still growing, held back until it is known to be none.

What is found depends only on the text, never on how it arrived: `find(text, start)` with the `CONTEXT` characters before
*start* says the same about the rest as `find` of the whole, if nothing before *start* was open.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from math import log2
from typing import Final

import msgspec

from libs.redaction.secret_shapes import (
    BEGINNINGS,
    DECIDED_WITHIN,
    LABELS,
    LONGEST_FIELD_LABEL,
    LONGEST_PEM,
    MAY_BEGIN,
    OPEN_FIELD,
    OPEN_URL,
    PASSWORDS,
    PEM,
    PREFIXES,
    RUN,
    TAILS,
    TOKENS,
)

CONTEXT: Final = LONGEST_PEM
"""Characters before a text that decide what it is: the labels and openings of what follows."""

LONGEST_HELD: Final = 256
"""No more than this many characters are undecided; what is longer is known by its beginning."""

_LONGEST_LABEL: Final = 64
_LEAST: Final = 16
_LEAST_BITS: Final = 3.2

_AROUND = " \t\"'`*\\])=:>"  # Quotes, emphasis and brackets, and what assigns, between a label and its value.
_ASSIGNMENTS = frozenset("=:")
_ANY_LABEL = tuple(label for labels in LABELS.values() for label in labels)

_MARKS = bytes(ord("x" if re.fullmatch(RUN, chr(code)) else "=" if code == ord("=") else " ") for code in range(256))
_LONG_RUN = b"x" * _LEAST
_RUN_END = re.compile(rb"x++={0,2}")
_LAST_RUN = re.compile("={0,2}" + RUN + "*+")
_PLACEHOLDER = re.compile(
    r"(?i)your|change[_-]?me|placeholder|x{4}|\.{3}|insert|dummy|redacted|sample|(?:\A|[_-])example"
)
_PLAIN_PASSWORD = re.compile(
    r"(?i)(?:my|your|db|user|some|the|a)?[_-]?(?:password|passwd|passw0rd|pass|pwd|pw|secret|token)\d{0,3}|[$%{\[*].*+|x++|\.++"
)
_WORDY = re.compile(r"(?:(?:[A-Za-z]++\d{0,2}+|\d{1,4}+)(?:[._/~+%=\-]++|\Z))++\Z")
_UUID = re.compile(r"(?i)[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """Characters *start* to *end* of a text are a value of *kind*; its label or its quotes are not part of it."""

    start: int
    end: int
    kind: str


def find(text: str, start: int = 0) -> list[Finding]:
    """
    Return the secrets that begin at or after *start*, in order and without overlap; the more telling kind wins.

    Kinds are `secret_shapes.KINDS`. Takes time linear in *text*.
    """
    found = [*_in_runs(text, start), *_passwords(text, start)]
    return _merged(sorted(found, key=lambda finding: finding.start)) if found else found


def redact(text: str, findings: Iterable[Finding]) -> str:
    """Return *text* with `[redacted:kind]` in place of each of *findings*, which are in order and do not overlap."""
    pieces: list[str] = []
    done = 0
    for finding in findings:
        pieces += (text[done : finding.start], placeholder(finding.kind))
        done = finding.end
    return "".join((*pieces, text[done:])) if done else text


def placeholder(kind: str) -> str:
    """Return what stands in place of a value of *kind*; it can stand inside a JSON string."""
    return f"[redacted:{kind}]"


def open_from(text: str, findings: list[Finding], start: int = 0) -> int:
    """
    Return from where on *text* may still turn into a secret as it grows: its length where nothing is open.

    *findings* are those of `find(text, start)`. At most `LONGEST_HELD` characters are open, but for a finding that is decided
    and goes on: `grown` says how far.
    """
    ends = [_open_run(text, findings, start), _open_password(text, start)]
    ends += (finding.start for finding in findings[-1:] if goes_on(finding, text))
    return min(ends)


def grown(kind: str, text: str, start: int) -> int:
    """Return how far a value of *kind* reaches into *text* that continues it from *start* on."""
    tail = TAILS.get(kind)
    found = None if tail is None else tail.match(text, start)
    return start if found is None else found.end()


def goes_on(finding: Finding, text: str) -> bool:
    """Say whether *finding* may reach further than *text*."""
    rest = text[finding.end :]
    return not rest or (finding.kind == "private_key" and not rest.strip("\\"))


def _in_runs(text: str, start: int) -> Iterator[Finding]:
    marks = text.encode("latin-1", "replace").translate(_MARKS)  # Finding bytes is twenty times as fast as a pattern.
    while (start := marks.find(_LONG_RUN, start)) >= 0:
        run = _RUN_END.match(marks, start)
        end = run.end() if run else start
        labelled = _labelled(text, start, end)
        while (finding := _first(labelled, _token(text, start, end))) is not None:
            yield finding
            labelled, start = None, finding.end
        start = max(start, end)


def _first(labelled: Finding | None, token: Finding | None) -> Finding | None:
    """Return the one that begins first; a token says more about itself than its label does."""
    if labelled is None or token is None:
        return labelled or token
    if token.start > labelled.start:
        return labelled
    return Finding(start=token.start, end=max(token.end, labelled.end), kind=token.kind)


def _token(text: str, start: int, end: int) -> Finding | None:
    found = TOKENS.search(text, start, end)
    if found is None:
        return None
    kind = str(found.lastgroup)
    return Finding(start=found.start(), end=grown(kind, text, found.end()), kind=kind)


def _labelled(text: str, start: int, end: int) -> Finding | None:
    start = _value_start(text, start)
    kind = _label(text, start)
    if kind is None or end - start < _LEAST:
        return None
    if kind != "private_key" and not _is_random(text[start : min(end, start + DECIDED_WITHIN)]):
        return None
    return Finding(start=start, end=grown(kind, text, start), kind=kind)


def _value_start(text: str, start: int) -> int:
    """Return where the value of a run begins: after the letter of an escaped line feed, if there is one."""
    return start + 1 if text[max(0, start - 1) : start + 1] in ("\\n", "\\r", "\\t") else start


def _label(text: str, start: int) -> str | None:
    """Return the kind that the words right before *start* announce."""
    words = text[max(0, start - _LONGEST_LABEL) : start].lower()
    last = words.rstrip(_AROUND)
    between = words[len(last) :]
    if between.startswith("]") and "[redacted:" in last:
        return None  # What stands for a secret names no other one.
    label = last.removesuffix(" is").rstrip(_AROUND)
    is_assigned = label != last or not _ASSIGNMENTS.isdisjoint(between)
    if label.endswith(_ANY_LABEL if is_assigned else LABELS["bearer_token"]):
        return next(kind for kind, labels in LABELS.items() if label.endswith(labels))
    return "private_key" if PEM.search(text, max(0, start - LONGEST_PEM), start) else None


def _is_random(value: str) -> bool:
    """Say whether *value* looks drawn by lot: no words, names, versions, paths, UUIDs or fillers."""
    if value.isalpha() or value.isdigit() or _WORDY.match(value) or _UUID.fullmatch(value):
        return False
    return _PLACEHOLDER.search(value) is None and _bits(value) >= _LEAST_BITS


def _bits(value: str) -> float:
    """Return the entropy of the characters of *value*, in bits per character."""
    size = len(value)
    return -sum(count / size * log2(count / size) for count in Counter(value).values())


def _passwords(text: str, start: int) -> Iterator[Finding]:
    if text.find("@", start) < 0 and text.find(";", max(0, start - LONGEST_FIELD_LABEL)) < 0:
        return
    for found in PASSWORDS.finditer(text, max(0, start - CONTEXT)):
        group = "url" if found["url"] is not None else "field"
        begin, end = found.span(group)
        if begin >= start and not _PLAIN_PASSWORD.fullmatch(found[group]) and "[redacted:" not in found[group]:
            yield Finding(start=begin, end=end, kind="connection_string")


def _merged(found: list[Finding]) -> list[Finding]:
    merged: list[Finding] = []
    for finding in found:
        last = merged[-1] if merged else None
        if last is None or finding.start >= last.end:
            merged.append(finding)
        elif finding.end > last.end:
            merged[-1] = Finding(start=last.start, end=finding.end, kind=last.kind)
    return merged


def _open_run(text: str, findings: list[Finding], start: int) -> int:
    """Return where in the last run a token, none of *findings*, or a labelled value begins that is not decided yet."""
    size = len(text)
    run = _LAST_RUN.match(text[: start - 1 if start else None : -1])
    begin = size - (0 if run is None else run.end())
    if begin == size:
        return size
    token = next(_open_tokens(text, findings, max(begin, size - DECIDED_WITHIN)), size)
    value = _value_start(text, begin)
    is_labelled = value < token and size - value < DECIDED_WITHIN and _label(text, value) is not None
    return value if is_labelled else token


def _open_tokens(text: str, findings: list[Finding], start: int) -> Iterator[int]:
    for found in MAY_BEGIN.finditer(text, start):
        at = found.start()
        is_begun = text.startswith(PREFIXES, at) or text[at:] in BEGINNINGS
        if is_begun and not any(finding.start < at < finding.end for finding in findings):
            yield at


def _open_password(text: str, start: int) -> int:
    opened = [len(text)]
    begin = max(0, len(text) - CONTEXT, text.rfind(" ") - 1)  # No space but the one after the semicolon.
    for opening, pattern in (("://", OPEN_URL), (";", OPEN_FIELD)):
        at = text.rfind(opening, begin)
        found = None if at < 0 else pattern.match(text, at)
        opened += () if found is None else (max(start, found.start(1)),)
    return min(opened)
