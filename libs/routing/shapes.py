"""The shape of a request from the words at both ends of its text: a linear head over a table of words, or no opinion."""

import re
from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files
from math import sqrt

import msgspec
import numpy as np
import numpy.typing as npt

HEAD_CHARS, TAIL_CHARS = 300, 200  # Requests say what they want at their beginning or end; between lies material.
KIND = "kind:"  # Before the kind that key words suggest, which is a feature like a word; no word holds a colon.
SCALE = 100  # Weights are kept in hundredths.
UNSURE = "chat"
_WORD = re.compile(r"[a-z_]+|[?=%+*/$|{}<>]|[0-9]")
_DIGITS = frozenset("0123456789")


class ShapeModel(msgspec.Struct, frozen=True, kw_only=True):
    """What training leaves: weights (hundredths) per word and shape, and the *lead* over `chat`, in log-odds, that a shape needs."""

    version: str
    shapes: tuple[str, ...]
    lead: float
    bias: tuple[int, ...]
    words: dict[str, tuple[int, ...]]


class ShapeHead:
    """Tells shapes by one model; the same text and kind give the same shape everywhere."""

    def __init__(self, model: ShapeModel) -> None:
        self.version = model.version
        self._shapes = model.shapes
        self._lead = model.lead
        self._unsure = model.shapes.index(UNSURE)
        self._rows: Mapping[str, int] = {word: row for row, word in enumerate(model.words)}
        self._weights: npt.NDArray[np.float64] = np.array(list(model.words.values()), dtype=np.float64) / SCALE
        self._bias = np.array(model.bias, dtype=np.float64) / SCALE

    def shape_of(self, text: str, kind: str) -> str:
        """Return the shape of a request of *text* whose key words suggest *kind*; `chat` where no other has the lead."""
        shape, lead = self.best_other(text, kind)
        return shape if lead >= self._lead else UNSURE

    def best_other(self, text: str, kind: str) -> tuple[str, float]:
        """Return the likeliest shape but `chat`, and its lead over `chat` in log-odds."""
        rows = sorted(self._rows[word] for word in words_of(text, kind) if word in self._rows)
        scores = self._bias + self._weights[rows].sum(axis=0) / sqrt(max(1, len(rows)))
        unsure, scores[self._unsure] = float(scores[self._unsure]), -np.inf
        place = int(scores.argmax())
        return self._shapes[place], float(scores[place]) - unsure


def words_of(text: str, kind: str) -> set[str]:
    """Return the features of a request: words and signs at both ends of *text*, any digit as `0`, and *kind*."""
    ends = text if len(text) <= HEAD_CHARS + TAIL_CHARS else f"{text[:HEAD_CHARS]} {text[-TAIL_CHARS:]}"
    found = set(_WORD.findall(ends.lower()))
    if not found.isdisjoint(_DIGITS):
        found = (found - _DIGITS) | {"0"}
    found.add(KIND + kind)
    return found


@lru_cache(maxsize=1)
def load_head() -> ShapeHead:
    """Return the head that ships with the code."""
    return ShapeHead(read_model(files("libs.routing").joinpath("data/shapes.json").read_bytes()))


def read_model(content: bytes) -> ShapeModel:
    """Return the model in JSON *content*; raises `msgspec.DecodeError`, and ValueError where its parts do not fit together."""
    model = msgspec.json.decode(content, type=ShapeModel)
    if UNSURE not in model.shapes or {len(row) for row in (model.bias, *model.words.values())} != {len(model.shapes)}:
        raise ValueError(
            f"a model needs the shape {UNSURE!r}, and one weight per shape for every word and for the bias"
        )
    return model
