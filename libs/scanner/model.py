"""The ONNX model: token ids and windows in, the probability of an injection per window out."""

from collections.abc import Iterator, Sequence
from functools import cache
from itertools import accumulate
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt
import onnxruntime

from libs.scanner.hashing import LONGEST, following_of
from libs.scanner.tokens import Ids
from libs.scanner.verdict import Thresholds
from libs.scanner.windows import Spans, windows

Weights = npt.NDArray[np.float32]

MODEL: Final = Path(__file__).parent / "data" / "firewall.onnx"

THRESHOLDS: Final = "thresholds"
"""Name of the model's own metadata field that holds its `Thresholds` as JSON."""

SEPARATOR: Final = np.zeros(LONGEST - 1, np.int32)
"""Padding after every text: no n-gram reaches into the next text, and the end of a text is a feature of its own."""


class Reading(NamedTuple):
    """The most suspicious window of one text: its probability, its tokens, and what each n-gram that starts there adds (kind x token)."""

    score: float
    ids: Ids
    contributions: Weights


class Model:
    """One inference session that computes on the calling thread."""

    def __init__(self, path: Path) -> None:
        self._session = onnxruntime.InferenceSession(str(path), _options(), providers=["CPUExecutionProvider"])

    @property
    def thresholds(self) -> Thresholds:
        """The bands that the model was calibrated for, shipped inside it."""
        shipped = self._session.get_modelmeta().custom_metadata_map[THRESHOLDS]
        return msgspec.json.decode(shipped, type=Thresholds)

    def read(self, texts: Sequence[Ids]) -> list[Reading]:
        """Return the most suspicious window of each text, in one inference."""
        if not texts:
            return []
        flat, spans = batch_of(texts)
        bounds = spans[0] if len(spans) == 1 else np.concatenate(spans)
        scores, contributions = self._session.run(None, {"tokens": following_of(flat), "windows": bounds})
        return list(_best(spans, scores, flat, contributions))


@cache
def bundled_model() -> Model:
    """Return the model that ships with this library."""
    return Model(MODEL)


def _options() -> onnxruntime.SessionOptions:
    """No thread pool and no spinning: a scan is far shorter than waking another thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


def batch_of(texts: Sequence[Ids]) -> tuple[Ids, list[Spans]]:
    """Return the texts as one array, each followed by the separator, and the windows of each within that array."""
    flat = np.concatenate([part for ids in texts for part in (ids, SEPARATOR)])
    offsets = accumulate((len(ids) + len(SEPARATOR) for ids in texts), initial=0)
    spans = zip(map(windows, map(len, texts)), offsets, strict=False)
    return flat, [within + offset if offset else within for within, offset in spans]


def _best(spans: Sequence[Spans], scores: Weights, flat: Ids, contributions: Weights) -> Iterator[Reading]:
    first = 0
    for of_text in spans:
        best = int(scores[first : first + len(of_text)].argmax())
        start, end = of_text[best]
        yield Reading(float(scores[first + best]), flat[start:end], contributions[:, start:end])
        first += len(of_text)
