"""The ONNX model: token ids and windows in, the probability of an injection per window out."""

from collections.abc import Iterator, Sequence
from functools import cache
from itertools import accumulate
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import onnxruntime

from libs.scanner.hashing import NGRAM_SIZES
from libs.scanner.tokens import Ids
from libs.scanner.verdict import Band, Thresholds
from libs.scanner.windows import windows

Weights = npt.NDArray[np.float32]

MODEL: Final = Path(__file__).parent / "data" / "firewall.onnx"

SEPARATOR: Final = np.zeros(NGRAM_SIZES - 1, np.int64)
"""Padding after every text: no n-gram reaches into the next text, and the end of a text is a feature of its own."""


class Reading(NamedTuple):
    """The most suspicious window of one text: its probability, its tokens, and what each n-gram that starts there adds (size x token)."""

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
        meta = self._session.get_modelmeta().custom_metadata_map
        return Thresholds(default=Band(flag=float(meta["flag"]), block=float(meta["block"])))

    def read(self, texts: Sequence[Ids]) -> list[Reading]:
        """Return the most suspicious window of each text, in one inference."""
        if not texts:
            return []
        spans = [windows(len(ids)) for ids in texts]
        bounds = np.array(list(_shifted(texts, spans)), np.int64)
        flat = np.concatenate([part for ids in texts for part in (ids, SEPARATOR)])
        scores, contributions = self._session.run(None, {"ids": flat, "starts": bounds[:, 0], "ends": bounds[:, 1]})
        return list(_best(spans, bounds, scores, flat, contributions))


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


def _shifted(texts: Sequence[Ids], spans: Sequence[list[tuple[int, int]]]) -> Iterator[tuple[int, int]]:
    offsets = accumulate((len(ids) + len(SEPARATOR) for ids in texts), initial=0)
    return (
        (offset + start, offset + end) for offset, ranges in zip(offsets, spans, strict=False) for start, end in ranges
    )


def _best(
    spans: Sequence[list[tuple[int, int]]], bounds: Ids, scores: Weights, flat: Ids, contributions: Weights
) -> Iterator[Reading]:
    first = 0
    for ranges in spans:
        best = first + int(scores[first : first + len(ranges)].argmax())
        start, end = bounds[best]
        yield Reading(float(scores[best]), flat[start:end], contributions[:, start:end])
        first += len(ranges)
