"""The head of the second opinion: a small net on the vectors of spans; a text's log-odds are those of its most suspicious span."""

from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec
import numpy as np

from libs.scanner.training.features import Indices
from libs.scanner.training.fit import Doubles, Floats

_MOMENTUM: Final = 0.9
_SQUARES: Final = 0.999
_LEAST_SPREAD: Final = 1e-4


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What training may vary."""

    hidden: int = 64
    epochs: int = 12
    batch_rows: int = 128
    learning_rate: float = 2e-3
    decay: float = 1e-2
    dropped: float = 0.3
    dropped_inputs: float = 0.1
    source_power: float = 0.5
    seed: int = 7


class Spans(NamedTuple):
    """Rows of spans in one array; row r owns the vectors `offsets[r]:offsets[r + 1]`."""

    vectors: Floats
    offsets: Indices

    def take(self, rows: Indices) -> "Spans":
        """Return *rows*, in that order."""
        lengths = self.offsets[rows + 1] - self.offsets[rows]
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        at = np.repeat(self.offsets[rows] - offsets[:-1], lengths) + np.arange(offsets[-1])
        return Spans(self.vectors[at].astype(np.float32), offsets)


class Head(NamedTuple):
    """Weights of the two layers: vectors to hidden units, hidden units to log-odds."""

    first: Floats
    first_bias: Floats
    second: Floats
    second_bias: Floats

    def log_odds(self, vectors: Floats) -> Floats:
        """Return the log-odds of each span."""
        return np.asarray(np.maximum(vectors @ self.first + self.first_bias, 0) @ self.second + self.second_bias)


def fit(spans: Spans, labels: Floats, importance: Doubles, settings: Settings) -> Head:
    """Return the head that separates *labels*, each row counting by its *importance* (1 on average)."""
    sample = spans.vectors[:: max(1, len(spans.vectors) // 50_000)].astype(np.float32)
    centre, spread = sample.mean(axis=0), np.maximum(sample.std(axis=0), _LEAST_SPREAD)
    learner = _Learner(sample.shape[1], len(labels), settings)
    rng = np.random.default_rng(settings.seed)
    for _ in range(settings.epochs):
        order = rng.permutation(len(labels))
        for start in range(0, len(order), settings.batch_rows):
            batch = order[start : start + settings.batch_rows]
            vectors, offsets = spans.take(batch)
            learner.learn(Spans((vectors - centre) / spread, offsets), labels[batch], importance[batch])
    return _unscaled(learner.head, centre, spread)


def log_odds(spans: Spans, head: Head, batch_rows: int = 500) -> Doubles:
    """Return the log-odds of each row."""
    rows = len(spans.offsets) - 1
    batches = (spans.take(np.arange(at, min(at + batch_rows, rows))) for at in range(0, rows, batch_rows))
    found = [np.maximum.reduceat(head.log_odds(batch.vectors), batch.offsets[:-1]) for batch in batches]
    return np.concatenate(found).astype(np.float64)


class _Learner:
    """Adam with decoupled decay and a learning rate that falls to nothing."""

    def __init__(self, inputs: int, rows: int, settings: Settings) -> None:
        self._settings = settings
        self._rng = np.random.default_rng(settings.seed)
        self.head = Head(
            self._rng.normal(0, inputs**-0.5, (inputs, settings.hidden)).astype(np.float32),
            np.zeros(settings.hidden, np.float32),
            self._rng.normal(0, settings.hidden**-0.5, settings.hidden).astype(np.float32),
            np.zeros(1, np.float32),
        )
        self._means = [np.zeros_like(weights) for weights in self.head]
        self._squares = [np.zeros_like(weights) for weights in self.head]
        self._step = 0
        self._steps = settings.epochs * -(-rows // settings.batch_rows)

    def learn(self, batch: Spans, labels: Floats, importance: Doubles) -> None:
        seen = self._kept((len(labels), batch.vectors.shape[1]), self._settings.dropped_inputs)
        chosen: Floats = np.asarray(batch.vectors[_most_suspicious(batch, self.head)] * seen, np.float32)
        units = np.maximum(chosen @ self.head.first + self.head.first_bias, 0)
        kept = self._kept(units.shape, self._settings.dropped)
        odds = (units * kept) @ self.head.second + self.head.second_bias
        error = ((1 / (1 + np.exp(-odds)) - labels) * importance / len(labels)).astype(np.float32)
        into_units: Floats = np.outer(error, self.head.second).astype(np.float32) * kept * (units > 0)
        total = np.array([error.sum()], np.float32)
        self._move([chosen.T @ into_units, into_units.sum(axis=0), (units * kept).T @ error, total])

    def _kept(self, shape: tuple[int, ...], dropped: float) -> Floats:
        return np.asarray((self._rng.random(shape) > dropped) / (1 - dropped), np.float32)

    def _move(self, gradients: Sequence[Floats]) -> None:
        self._step += 1
        rate = self._settings.learning_rate * (1 - self._step / self._steps)
        for weights, gradient, mean, square in zip(self.head, gradients, self._means, self._squares, strict=True):
            mean[...] += (1 - _MOMENTUM) * (gradient - mean)
            square[...] += (1 - _SQUARES) * (gradient**2 - square)
            unbiased = square / (1 - _SQUARES**self._step)
            weights[...] -= np.float32(rate) * (mean / (1 - _MOMENTUM**self._step) / (np.sqrt(unbiased) + 1e-8))
            if weights.ndim > 1:
                weights[...] *= np.float32(1 - rate * self._settings.decay)


def _most_suspicious(batch: Spans, head: Head) -> Indices:
    scores = head.log_odds(batch.vectors)
    starts, ends = batch.offsets[:-1], batch.offsets[1:]
    return np.array([start + scores[start:end].argmax() for start, end in zip(starts, ends, strict=True)], np.intp)


def _unscaled(head: Head, centre: Floats, spread: Floats) -> Head:
    """Return *head* for vectors as they come, not centred and scaled."""
    first = head.first / spread[:, None]
    return head._replace(first=first, first_bias=head.first_bias - centre @ first)
