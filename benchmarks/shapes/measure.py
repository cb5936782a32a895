"""How well shapes are told on sources that the model never saw: every source by a model that was fitted without it."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec
import numpy as np

from benchmarks.shapes.corpus import OWN, Sample
from benchmarks.shapes.fit import SHAPES, fit, kind_of
from libs.routing.shapes import UNSURE, ShapeHead

LEADS = tuple(step / 10 for step in range(21))
RESAMPLES = 2000


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """One request of an unseen source: what was right, what key words say, the head's best shape but chat and its lead."""

    source: str
    right: tuple[str, ...]
    words: str
    head: str
    lead: float
    learnable: bool

    def told(self, lead: float) -> str:
        """Return the head's shape, or `chat` where it has not the *lead* that is asked for."""
        return self.head if self.lead >= lead else UNSURE


def unseen(samples: Sequence[Sample]) -> Iterator[Answer]:
    """Yield the answers on every source: on those that train by a model without them, on the others by the model of all."""
    whole = ShapeHead(fit(samples))
    for source in sorted({sample.source for sample in samples if sample.source != OWN}):
        asked = [sample for sample in samples if sample.source == source]
        trains = any(sample.learnable for sample in asked)
        rest = [sample for sample in samples if sample.source != source]
        head = ShapeHead(fit(rest)) if trains else whole
        yield from (_answer(sample, head) for sample in asked)


def best_lead(answers: Sequence[Answer]) -> float:
    """Return the lead with the best accuracy on the sources that train, if half of all requests are chat."""
    chosen = [answer for answer in answers if answer.learnable]
    return max(LEADS, key=lambda lead: (_half_chat(chosen, lead), lead))


def by_source(answers: Iterable[Answer], lead: float) -> dict[str, dict[str, float]]:
    """Return source → number of requests, accuracy of key words and of the head, and how often the head abstains."""
    return {
        source: {
            "requests": len(found),
            "words": _mean(answer.words in answer.right for answer in found),
            "head": _mean(answer.told(lead) in answer.right for answer in found),
            "abstains": _mean(0.0 <= answer.lead < lead for answer in found),
        }
        for source, found in _grouped(answers).items()
    }


def precision(answers: Iterable[Answer], lead: float) -> dict[str, dict[str, float]]:
    """Return shape → how often it is said, and how often rightly with a 95 % interval over sources, for words and head."""
    listed = list(answers)
    return {
        shape: {
            f"{who}_{what}": number
            for who in ("words", "head")
            for what, number in _precision(listed, shape, who, lead).items()
        }
        for shape in SHAPES
    }


def difference(accuracy: Mapping[str, Mapping[str, float]], *, seed: int = 7) -> tuple[float, float, float]:
    """Return how much better the head is, every source counting the same, with a 95 % interval over sources."""
    gains = np.array([found["head"] - found["words"] for found in accuracy.values()])
    means = np.random.default_rng(seed).choice(gains, (RESAMPLES, len(gains))).mean(axis=1)
    return float(gains.mean()), float(np.quantile(means, 0.025)), float(np.quantile(means, 0.975))


def _answer(sample: Sample, head: ShapeHead) -> Answer:
    kind = kind_of(sample.text)
    shape, lead = head.best_other(sample.text, kind)
    return Answer(
        source=sample.source, right=sample.shapes, words=kind, head=shape, lead=lead, learnable=sample.learnable
    )


def _half_chat(answers: Iterable[Answer], lead: float) -> float:
    """Return the accuracy where chat is half of the requests and the other shapes, and the sources of each, are alike."""
    cells: dict[str, list[float]] = defaultdict(list)
    groups: dict[tuple[str, str], list[Answer]] = defaultdict(list)
    for answer in answers:
        groups[answer.right[0], answer.source].append(answer)
    for (shape, _), found in groups.items():
        cells[shape].append(_mean(answer.told(lead) in answer.right for answer in found))
    others = [_mean(values) for shape, values in sorted(cells.items()) if shape != UNSURE]
    return (_mean(cells[UNSURE]) + _mean(others)) / 2


def _precision(answers: Sequence[Answer], shape: str, who: str, lead: float) -> dict[str, float]:
    said = [a for a in answers if (a.words if who == "words" else a.told(lead)) == shape]
    low, high = _interval([[shape in answer.right for answer in found] for found in _grouped(said).values()])
    return {"said": len(said), "precision": _mean(shape in answer.right for answer in said), "low": low, "high": high}


def _interval(sources: list[list[bool]], *, seed: int = 7) -> tuple[float, float]:
    """Return the 95 % interval of the share of hits when whole sources are drawn anew."""
    if not sources:
        return 0.0, 1.0
    hits, sizes = np.array([sum(found) for found in sources]), np.array([len(found) for found in sources])
    drawn = np.random.default_rng(seed).integers(0, len(sources), (RESAMPLES, len(sources)))
    shares = hits[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)
    return float(np.quantile(shares, 0.025)), float(np.quantile(shares, 0.975))


def _grouped(answers: Iterable[Answer]) -> dict[str, list[Answer]]:
    groups: dict[str, list[Answer]] = defaultdict(list)
    for answer in answers:
        groups[answer.source].append(answer)
    return dict(sorted(groups.items()))


def _mean(values: Iterable[float]) -> float:
    listed = list(values)
    return sum(listed) / len(listed) if listed else 0.0
