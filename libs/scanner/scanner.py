"""The scanner's port: what a caller on an event loop asks, what it must be ready to catch, and a fake."""

from collections.abc import Callable, Sequence
from typing import Protocol

from libs.scanner.text import Segment
from libs.scanner.verdict import CLEAN, Thresholds, Verdict


class ScannerError(Exception):
    """No verdict: the caller's policy decides between letting through and refusing."""


class ScannerBusyError(ScannerError):
    """The queue is full; nothing was scanned."""


class ScannerTimeoutError(ScannerError):
    """The deadline passed before the verdict; the scan is given up."""


class ScannerFailedError(ScannerError):
    """The scan itself broke, or the scanner is not running; the cause is chained."""


class Scanner(Protocol):
    """Tells whether texts try to take over a model."""

    async def scan(self, segments: Sequence[Segment], thresholds: Thresholds, deadline_s: float) -> Verdict:
        """Return the verdict within `deadline_s` seconds; raises a `ScannerError` when there is none."""


class FakeScanner:
    """Answers from a function of the segments, and remembers what it was asked; a returned error is raised."""

    def __init__(self, answer: Callable[[Sequence[Segment]], Verdict | ScannerError] = lambda _: CLEAN) -> None:
        self.scanned: list[tuple[Segment, ...]] = []
        self._answer = answer

    async def scan(self, segments: Sequence[Segment], thresholds: Thresholds, deadline_s: float) -> Verdict:
        """Return or raise the prepared answer."""
        del thresholds, deadline_s
        self.scanned.append(tuple(segments))
        answer = self._answer(segments)
        if isinstance(answer, ScannerError):
            raise answer
        return answer
