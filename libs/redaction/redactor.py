"""One tenant's redaction: what its policy says, applied to a text or to the JSON body of a request or an answer."""

from collections.abc import Generator
from functools import lru_cache
from typing import Final

from libs.contracts.state import USUAL_PII, RedactionPolicy
from libs.redaction import bodies
from libs.redaction.detection import find
from libs.redaction.memory import CleanTexts
from libs.redaction.pieces import pieces
from libs.redaction.placeholders import hashed, masked, tenant_key

_ROUNDS: Final = 4
_LONGEST_LABEL: Final = 128
_REMEMBERED_LABELS: Final = (
    64  # Users and properties of the requests of a moment: they repeat, and stand before an answer.
)


class Redactor:
    """
    Takes out what *policy* names; digests are keyed by *secret* and *tenant*.

    *clean* is a memory of bodies' strings that redactors may share: what holds nothing for one does for another.
    """

    def __init__(self, policy: RedactionPolicy, *, tenant: str, secret: str, clean: CleanTexts | None = None) -> None:
        self._clean = CleanTexts() if clean is None else clean
        self._kinds = (USUAL_PII | frozenset(policy.extra)) - frozenset(policy.skip)
        self._key = tenant_key(secret, tenant) if policy.mode == "hash" else None
        self._labels = lru_cache(_REMEMBERED_LABELS)(self.piece)
        self._is_on = policy.mode != "off" and bool(self._kinds)

    def text(self, text: str, context: str = "") -> str:
        """Return *text*, which a field named *context* holds, with placeholders; without a finding it is *text* itself."""
        if not self._is_on:
            return text
        if len(text) <= _LONGEST_LABEL:
            return self._labels(text, context)
        return "".join([self.piece(piece, context) for piece in pieces(text)])

    def body(self, body: str) -> Generator[None, None, str]:
        """
        Return JSON text *body* with placeholders in its strings and numbers, and nothing else changed.

        It is work in slices of well under a millisecond, and yields after each, for a caller with others to serve. What is no
        JSON is redacted as text.
        """
        if not self._is_on:
            return body
        return (yield from bodies.redacted(body, self))

    def knows(self, raw: str, name: str) -> bool:
        """Say whether the inside of a JSON string in field *name* is known to hold nothing."""
        return self._clean.has(raw, name, self._kinds)

    def remember(self, raw: str, name: str) -> None:
        """Take note that it holds nothing."""
        self._clean.add(raw, name, self._kinds)

    def piece(self, text: str, name: str) -> str:
        """
        Return a short *text* of field *name* with placeholders.

        It is searched until nothing is found, as what stands beside a value may be one once that is gone.
        """
        for _ in range(_ROUNDS):
            findings = find(text, self._kinds, name)
            if not findings:
                return text
            done = 0
            parts: list[str] = []
            for finding in findings:
                parts += (
                    text[done : finding.start],
                    self._placeholder(finding.kind, text[finding.start : finding.end]),
                )
                done = finding.end
            text = "".join((*parts, text[done:]))
        return text

    def _placeholder(self, kind: str, value: str) -> str:
        return masked(kind) if self._key is None else hashed(kind, value, self._key)
