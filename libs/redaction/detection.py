"""What is personal or secret in a text: every detector, and one answer where they overlap."""

from collections.abc import Iterator
from typing import Final

from libs.contracts.state import PiiKind
from libs.redaction import secrets
from libs.redaction.addresses import find_addresses
from libs.redaction.emails import find_emails
from libs.redaction.numbers import find_numbers
from libs.redaction.secrets import Finding

_RANK: Final[dict[str, int]] = {
    "secret": 0, "email": 1, "iban": 2, "card": 3, "national_id": 4, "phone": 5, "ip": 6,
}  # fmt: skip
_SHORTEST: Final = 6  # a@b.io
_SHORTEST_KEY: Final = 16
_NUMBERS: Final = frozenset(("card", "iban", "national_id", "phone"))


def find(text: str, kinds: "frozenset[PiiKind]", context: str = "") -> list[Finding]:
    """
    Return what of *kinds* is in *text*, in order and without overlap; *context* is the name of the field that holds it.

    Where findings overlap they are one, of the kind that tells more. Takes time linear in *text*.
    """
    if len(text) < _SHORTEST:
        return []
    found = sorted(_found(text, kinds, context), key=lambda finding: (finding.start, _RANK[finding.kind]))
    return _united(found) if len(found) > 1 else found


def _found(text: str, kinds: "frozenset[PiiKind]", context: str) -> Iterator[Finding]:
    if "secret" in kinds:
        yield from _secrets(text, context)
    if "email" in kinds:
        for start, end in find_emails(text):
            yield Finding(start=start, end=end, kind="email")
    if not _NUMBERS.isdisjoint(kinds):
        for span in find_numbers(text, kinds, context):
            yield Finding(start=span.start, end=span.end, kind=span.kind)
    if "ip" in kinds:
        for start, end in find_addresses(text):
            yield Finding(start=start, end=end, kind="ip")


def _secrets(text: str, context: str) -> Iterator[Finding]:
    if len(text) < _SHORTEST_KEY and "://" not in text and ";" not in text:
        return
    label = f'{context}": "' if context else ""
    for secret in secrets.find(label + text, len(label)):
        yield Finding(start=secret.start - len(label), end=secret.end - len(label), kind="secret")


def _united(found: list[Finding]) -> list[Finding]:
    united: list[Finding] = []
    for finding in found:
        last = united[-1] if united else None
        if last is None or finding.start >= last.end:
            united.append(finding)
        else:
            kind = min(last.kind, finding.kind, key=_RANK.__getitem__)
            united[-1] = Finding(start=last.start, end=max(last.end, finding.end), kind=kind)
    return united
