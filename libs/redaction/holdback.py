"""A text that arrives in pieces, handed on as soon as nothing in it can still turn out to be a secret."""

from collections import Counter

from libs.redaction.secrets import CONTEXT, LONGEST_HELD, Finding, find, goes_on, grown, open_from, placeholder


class Holdback:
    """
    Redacts one growing text.

    The pieces that `feed` and `close` return join to the redaction of the whole text, however it was cut. At most
    `LONGEST_HELD` characters wait; a secret that is longer is replaced at once, and its rest dropped as it comes. Only *kinds*
    are replaced; *found*, which may be shared, counts them.
    """

    def __init__(self, kinds: frozenset[str], found: Counter[str] | None = None) -> None:
        self.found = Counter() if found is None else found
        self.held = ""
        self._kinds = kinds
        self._context = ""
        self._growing: str | None = None

    def feed(self, more: str) -> str:
        """Take the next piece; return what may be handed on."""
        text = self._context + self.held + more
        start = len(self._context)
        passed = ""
        if self._growing is not None:
            passed, start = self._grow(self._growing, text, start)
        if self._growing is not None:
            return passed + self._release(text, start, start, [])
        findings = find(text, start)
        until = open_from(text, findings, start)
        if findings and until == findings[-1].start and len(text) - until >= LONGEST_HELD:
            until, self._growing = findings[-1].end, findings[-1].kind
        return passed + self._release(text, start, until, findings)

    def close(self) -> str:
        """Return what was held: there is no more."""
        text, start = self._context + self.held, len(self._context)
        findings = [] if self._growing is not None else find(text, start)
        return self._release(text, start, len(text), findings)

    def _grow(self, kind: str, text: str, start: int) -> tuple[str, int]:
        """Return what is handed on of the value that goes on at *start*, and where it ends so far."""
        end = grown(kind, text, start)
        if not goes_on(Finding(start=start, end=end, kind=kind), text):
            self._growing = None
        return "" if kind in self._kinds else text[start:end], end

    def _release(self, text: str, start: int, until: int, findings: list[Finding]) -> str:
        released: list[str] = []
        for finding in findings:
            if finding.end <= until and finding.kind in self._kinds:
                released += (text[start : finding.start], placeholder(finding.kind))
                start = finding.end
                self.found[finding.kind] += 1
        self.held = text[until:]
        self._context = text[max(0, until - CONTEXT) : until]
        return "".join((*released, text[start:until]))
