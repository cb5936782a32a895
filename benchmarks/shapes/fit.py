"""Fitting the head: multinomial logistic regression over words that several sources use."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from math import sqrt

import numpy as np
import numpy.typing as npt

from benchmarks.shapes.corpus import OWN, Sample
from libs.routing.shapes import SCALE, ShapeModel, words_of
from libs.routing.tasks import RequestFeatures, classify

Array = npt.NDArray[np.float64]

SHAPES = ("chat", "coding", "math", "reasoning", "data", "structured", "writing")
MIN_SOURCES = 3  # A word of fewer sources is their subject or template, not a shape.
OWN_SHARE = 0.5  # Weight of the written requests within each shape; the sources share the rest evenly.
RIDGE = 1e-3
STEPS, PACE = 80, 0.1


def kind_of(text: str) -> str:
    """Return what structure and key words alone say of *text*."""
    return classify(RequestFeatures(text=text))


def fit(samples: Sequence[Sample], *, lead: float = 0.0, version: str = "") -> ShapeModel:
    """Return the model of the learnable *samples*; the same samples give the same model."""
    learnt = [sample for sample in samples if sample.learnable]
    features = [words_of(sample.text, kind_of(sample.text)) for sample in learnt]
    vocabulary = _vocabulary(learnt, features)
    weights, bias = _regressed(
        [[vocabulary[word] for word in sorted(words) if word in vocabulary] for words in features],
        np.array([SHAPES.index(sample.shapes[0]) for sample in learnt]),
        _importance(learnt),
        len(vocabulary),
    )
    return ShapeModel(
        version=version,
        shapes=SHAPES,
        lead=lead,
        bias=tuple(int(value) for value in np.rint(bias * SCALE)),
        words={word: tuple(int(value) for value in np.rint(weights[row] * SCALE)) for word, row in vocabulary.items()},
    )


def _vocabulary(samples: Sequence[Sample], features: Sequence[set[str]]) -> Mapping[str, int]:
    sources: dict[str, set[str]] = defaultdict(set)
    for sample, words in zip(samples, features, strict=True):
        for word in words:
            sources[word].add(sample.source)
    kept = sorted(word for word, users in sources.items() if len(users) >= MIN_SOURCES)
    return {word: row for row, word in enumerate(kept)}


def _importance(samples: Sequence[Sample]) -> Array:
    """Return weights under which each shape counts the same, and within it own requests `OWN_SHARE`."""
    texts = Counter((sample.shapes[0], sample.source) for sample in samples)
    sources = Counter(shape for shape, source in texts if source != OWN)

    def weight(sample: Sample) -> float:
        shape = sample.shapes[0]
        if sources[shape] == 0:
            share = 1.0
        else:
            share = OWN_SHARE if sample.source == OWN else (1.0 - OWN_SHARE) / sources[shape]
        return share / texts[shape, sample.source]

    weights = np.array([weight(sample) for sample in samples])
    return np.asarray(weights / weights.sum())


def _regressed(
    documents: list[list[int]], labels: npt.NDArray[np.int64], importance: Array, size: int
) -> tuple[Array, Array]:
    """Return weights (size x shapes) and bias after `STEPS` steps of Adam on all documents at once."""
    lengths = np.array([len(rows) for rows in documents])
    flat = np.concatenate([np.array(rows, dtype=np.int64) for rows in documents])
    owner = np.repeat(np.arange(len(documents)), lengths)
    value = np.repeat(1.0 / np.sqrt(np.maximum(1, lengths)), lengths)
    target = np.eye(len(SHAPES))[labels]
    parameters = np.zeros((size + 1, len(SHAPES)))
    first, second = np.zeros_like(parameters), np.zeros_like(parameters)
    for step in range(1, STEPS + 1):
        scores = parameters[-1] + _summed(parameters[flat] * value[:, None], owner, len(documents))
        chances = np.exp(scores - scores.max(axis=1, keepdims=True))
        chances /= chances.sum(axis=1, keepdims=True)
        error = (chances - target) * importance[:, None]
        slope = np.vstack([_summed(error[owner] * value[:, None], flat, size), error.sum(axis=0)])
        slope[:-1] += RIDGE * parameters[:-1]
        first, second = 0.9 * first + 0.1 * slope, 0.999 * second + 0.001 * slope**2
        parameters -= PACE * (first / (1 - 0.9**step)) / (np.sqrt(second / (1 - 0.999**step)) + sqrt(1e-16))
    return parameters[:-1], parameters[-1]


def _summed(values: Array, groups: npt.NDArray[np.int64], count: int) -> Array:
    """Return the column sums of *values* by group."""
    return np.stack([np.bincount(groups, column, minlength=count) for column in values.T], axis=1)
