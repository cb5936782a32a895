"""The detector: segments in, one verdict out, on the calling thread."""

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Final, NamedTuple

import msgspec
import numpy as np

from libs.scanner.decoding import decoded
from libs.scanner.hashing import NGRAM_SIZES
from libs.scanner.model import Model, Reading, bundled_model
from libs.scanner.normalise import normalise
from libs.scanner.text import Role, Segment
from libs.scanner.tokens import Tokenizer, bundled_tokenizer
from libs.scanner.verdict import Finding, Thresholds, Verdict, judge
from libs.scanner.windows import cuts

EVIDENCE_NGRAMS: Final = 3

INFERENCE_CHARS: Final = 8_192
"""Text scored in one inference, or one view where that is longer. In between the interpreter lock is free, so this bounds how long
an event loop in the same process waits, and a caller that gave up is noticed."""


class ScanAbandonedError(Exception):
    """The caller no longer waits for the verdict."""


class View(NamedTuple):
    """One text to be scored: as it was said, or as decoded from that."""

    role: Role
    text: str
    encoded: bool


class Detector:
    """Normalises, decodes, tokenises and scores; keeps nothing between calls."""

    def __init__(self, tokenizer: Tokenizer, model: Model) -> None:
        self._tokenizer = tokenizer
        self._model = model

    @classmethod
    def bundled(cls) -> "Detector":
        """Return the detector with the vocabulary and the model that ship with this library."""
        return cls(bundled_tokenizer(), bundled_model())

    @property
    def thresholds(self) -> Thresholds:
        """The bands that the model was calibrated for."""
        return self._model.thresholds

    def scan_now(
        self, segments: Iterable[Segment], thresholds: Thresholds, abandoned: Callable[[], bool] = lambda: False
    ) -> Verdict:
        """Return the verdict on `segments`. Raises `ScanAbandonedError` soon after `abandoned` answers yes."""
        begun = time.perf_counter_ns()
        found = list(self._scored(segments, abandoned))
        verdict = judge([finding for finding, _ in found], thresholds, lambda at: self._evidence(found[at][1]))
        return msgspec.structs.replace(verdict, took_us=(time.perf_counter_ns() - begun) // 1_000)

    def _scored(self, segments: Iterable[Segment], abandoned: Callable[[], bool]) -> Iterator[tuple[Finding, Reading]]:
        for group in _groups(view for segment in segments for view in views_of(segment)):
            if abandoned():
                raise ScanAbandonedError
            readings = self._model.read(self._tokenizer.encode([view.text for view in group]))
            for view, reading in zip(group, readings, strict=True):
                yield Finding(role=view.role, score=reading.score, encoded=view.encoded), reading

    def _evidence(self, reading: Reading) -> tuple[str, ...]:
        """Spell the n-grams that raised the score most."""
        strongest = np.argsort(-reading.contributions, axis=None)[:EVIDENCE_NGRAMS]
        kinds, starts = np.unravel_index(strongest, reading.contributions.shape)
        return tuple(
            self._spelled(reading, start, NGRAM_SIZES[kind]) for kind, start in zip(kinds, starts, strict=True)
        )

    def _spelled(self, reading: Reading, start: int, length: int) -> str:
        return self._tokenizer.spell(reading.ids[start : start + length].tolist())


def views_of(segment: Segment) -> Iterator[View]:
    """Yield every text to be scored for `segment`: its cuts, plainly spelled, each followed by what is encoded in it; no blank ones."""
    for cut in cuts(segment.text):
        plain = normalise(cut)
        if plain and not plain.isspace():
            yield View(segment.role, plain, encoded=False)
            yield from (View(segment.role, normalise(inner), encoded=True) for inner in decoded(plain))


def _groups(views: Iterable[View]) -> Iterator[list[View]]:
    group: list[View] = []
    size = 0
    for view in views:
        group.append(view)
        size += len(view.text)
        if size >= INFERENCE_CHARS:
            yield group
            group, size = [], 0
    if group:
        yield group
