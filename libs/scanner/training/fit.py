"""Logistic regression on hashed n-grams by AdaGrad; a row's probability is that of its most suspicious window."""

from typing import Final, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from libs.scanner.hashing import NGRAM_SIZES, SLOTS
from libs.scanner.training.features import Examples, Indices

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]

_FIRST_STEP: Final = 1e-6
_GRADIENT_SCALE: Final = 16.0


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What training may vary; *source_power* 0 counts every row the same, 1 every source the same."""

    epochs: int = 4
    batch_rows: int = 256
    learning_rate: float = 0.3
    decay: float = 1e-6
    source_power: float = 0.5
    seed: int = 7


class Model(NamedTuple):
    """One weight per slot, and the bias."""

    slots: Floats
    bias: float


class _Windows(NamedTuple):
    """The most suspicious window of each row of a batch, and the row's log-odds."""

    chosen: Indices
    log_odds: Doubles


def fit(rows: Examples, labels: Floats, importance: Doubles, settings: Settings) -> Model:
    """Return the model that separates *labels*, each row counting by its *importance* (1 on average)."""
    rng = np.random.default_rng(settings.seed)
    learner = _Learner(settings)
    for _ in range(settings.epochs):
        order = rng.permutation(rows.rows)
        for start in range(0, len(order), settings.batch_rows):
            batch = order[start : start + settings.batch_rows]
            learner.learn(rows.take(batch), labels[batch], importance[batch])
    return Model(learner.slots, float(learner.bias))


def log_odds(rows: Examples, model: Model, batch_rows: int = 4096) -> Doubles:
    """Return the log-odds of each row."""
    batches = (np.arange(start, min(start + batch_rows, rows.rows)) for start in range(0, rows.rows, batch_rows))
    return np.concatenate([_most_suspicious(rows.take(batch), model).log_odds for batch in batches])


def importances(labels: Floats, sources: npt.NDArray[np.str_], power: float) -> Doubles:
    """Return a weight per row, 1 on average: both labels weigh the same, and a large source less than its size."""
    importance = np.zeros(len(labels))
    for label in (0, 1):
        of_label = np.flatnonzero(labels == label)
        _, source, counts = np.unique(sources[of_label], return_inverse=True, return_counts=True)
        share = counts[source] ** -power
        importance[of_label] = share / share.sum() * len(labels) / 2
    return importance


class _Learner:
    """AdaGrad over the slots that a batch touches; they alone decay."""

    def __init__(self, settings: Settings) -> None:
        self.slots = np.zeros(SLOTS, np.float32)
        self.bias = 0.0
        self._settings = settings
        self._squares = np.full(SLOTS, _FIRST_STEP, np.float32)
        self._bias_squares = _FIRST_STEP

    def learn(self, batch: Examples, labels: Floats, importance: Doubles) -> None:
        seen = _most_suspicious(batch, Model(self.slots, self.bias))
        error = (_sigmoid(seen.log_odds) - labels) * importance
        self._step(_gradient(batch, seen.chosen, error))
        self._step_bias(float(error.mean()))

    def _step(self, gradient: Floats) -> None:
        [touched] = np.nonzero(gradient)
        slope = gradient[touched] + np.float32(self._settings.decay) * self.slots[touched]
        self._squares[touched] += slope * slope
        self.slots[touched] -= np.float32(self._settings.learning_rate) * slope / np.sqrt(self._squares[touched])

    def _step_bias(self, gradient: float) -> None:
        self._bias_squares += gradient**2
        self.bias -= self._settings.learning_rate * gradient / self._bias_squares**0.5


def _most_suspicious(batch: Examples, model: Model) -> _Windows:
    contributions = model.slots[batch.slots].sum(axis=0, dtype=np.float64)
    running = np.concatenate([[0.0], np.cumsum(contributions)])
    base = np.repeat(batch.tokens[:-1], np.diff(batch.owned))
    totals = running[base + batch.ends] - running[base + batch.starts]
    scores = totals / _scale(batch.ends - batch.starts) + model.bias
    best = np.maximum.reduceat(scores, batch.owned[:-1])
    owner = np.repeat(np.arange(batch.rows), np.diff(batch.owned))
    ties = np.flatnonzero(scores == best[owner])
    _, first = np.unique(owner[ties], return_index=True)
    return _Windows(ties[first], best)


def _gradient(batch: Examples, chosen: Indices, error: Doubles) -> Floats:
    lengths = batch.ends[chosen] - batch.starts[chosen]
    per_token = np.repeat(error / _scale(lengths), lengths)
    firsts = batch.tokens[:-1] + batch.starts[chosen]
    offsets = np.cumsum(lengths) - lengths
    tokens = np.repeat(firsts - offsets, lengths) + np.arange(lengths.sum())
    touched = batch.slots[:, tokens].ravel()
    summed = np.bincount(touched, weights=np.tile(per_token, len(NGRAM_SIZES)), minlength=SLOTS)
    return (summed * (_GRADIENT_SCALE / batch.rows)).astype(np.float32)


def _scale(lengths: Indices) -> Doubles:
    """Return what a window's sum is divided by: the root of its number of n-grams, and of one more for the empty window."""
    scale: Doubles = np.sqrt(len(NGRAM_SIZES) * lengths + 1.0)
    return scale


def _sigmoid(values: Doubles) -> Doubles:
    return 1 / (1 + np.exp(-values))
