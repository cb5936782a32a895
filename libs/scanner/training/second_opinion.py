"""`python -m libs.scanner.training.second_opinion --data DIR --out DIR --cache DIR`: train the second opinion's head and join it."""

import argparse
import hashlib
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
from rich.console import Console
from rich.progress import Progress

from libs.scanner.second_opinion import Encoder, installed_weights, windows_of
from libs.scanner.tokens import bundled_tokenizer
from libs.scanner.training import second_opinion_card as card
from libs.scanner.training import second_opinion_graph as graph
from libs.scanner.training.corpus import Row, read
from libs.scanner.training.documents import documents
from libs.scanner.training.evaluation import FOLDS, unseen_log_odds
from libs.scanner.training.features import Indices, examples
from libs.scanner.training.fit import Doubles, importances
from libs.scanner.training.fit import Settings as ScannerSettings
from libs.scanner.training.second_opinion_fit import Head, Settings, Spans, fit, log_odds
from libs.scanner.training.second_opinion_joint import Scores, joined
from libs.scanner.training.synthesis import synthesise

MOST_TEXTS: Final = 13_500
"""Texts embedded: at a third of a millisecond a token, more would take hours."""

MOST_CHARS: Final = 8_192
"""Of one text: in use every window is read."""

GROUP_TEXTS: Final = 800
"""Texts of one family and label, where `_GROUPS` does not name another number: long ones cost more than they teach."""

_GROUPS: Final[Mapping[tuple[str, int], int]] = {
    ("slabs", 0): 1200, ("slabs", 1): 1500, ("p3", 0): 700, ("p3, other sets", 0): 700, ("clinc150", 0): 600,
    ("neuralchemy/hackaprompt", 1): 900, ("jailbreak collections", 1): 500, ("python_stdlib", 0): 250,
    ("package_manuals", 0): 150, ("own_attacks", 1): 1000, ("own_carried", 1): 600, ("own_carrier", 0): 600,
    ("own_multilingual", 1): 300, ("own_records", 0): 400, ("gsm8k", 0): 300, ("cyberseceval", 0): 300,
    ("bfcl", 0): 400, ("yanismiraoui", 1): 600,
}  # fmt: skip

_LEAST_PASSAGE_CHARS: Final = 200


def main(arguments: Sequence[str] | None = None) -> None:
    """Embed a sample, measure on unseen families, train on all of the sample, write head, card and figures."""
    options = _parser().parse_args(arguments)
    settings = Settings(seed=options.seed)
    everything = corpus(options.data, options.seed)
    rows = sample(everything, options.seed)
    with _told("embedding", len(rows)) as done:
        spans = embedded([row.text for row in rows], Encoder(options.weights), options.cache, done)
    with _told("second opinion", len(_families(rows))) as done:
        second = unseen(rows, spans, settings, done)
    with _told("scanner", FOLDS + 1) as done:
        first = _first(everything, rows, done)
    figures = joined(rows, Scores(first=first, second=second))
    head = _trained(rows, spans, np.flatnonzero([row.learnable for row in rows]), settings)
    graph.write(options.out / "second_opinion.onnx", head, figures.calibration)
    (options.out / "SECOND_OPINION_CARD.md").write_text(card.write(rows, figures, settings), encoding="utf-8")
    (options.out / "second_opinion.json").write_bytes(
        msgspec.json.format(msgspec.json.encode(figures), indent=2) + b"\n"
    )


def sample(rows: Sequence[Row], seed: int) -> list[Row]:
    """Return at most `MOST_TEXTS` of *rows*, of each family and label no more than its number."""
    groups: dict[tuple[str, int], list[Row]] = {}
    for row in rows:
        groups.setdefault((row.family, row.label), []).append(row)
    rng = random.Random(seed)  # noqa: S311 nothing secret is drawn
    chosen = [
        row
        for key, group in sorted(groups.items())
        for row in rng.sample(group, min(len(group), _GROUPS.get(key, GROUP_TEXTS)))
    ]
    rng.shuffle(chosen)
    return chosen[:MOST_TEXTS]


def embedded(texts: Sequence[str], encoder: Encoder, cache: Path, done: Callable[[str], None]) -> Spans:
    """Return the vectors of the spans of *texts*, those of a text in one file of *cache* each, so that a run can be resumed."""
    cache.mkdir(parents=True, exist_ok=True)
    vectors = []
    for text in texts:
        vectors.append(_vectors(text, encoder, cache))
        done("embedding")
    offsets = np.concatenate([[0], np.cumsum([len(each) for each in vectors])])
    return Spans(np.concatenate(vectors), offsets)


def unseen(rows: Sequence[Row], spans: Spans, settings: Settings, done: Callable[[str], None]) -> Doubles:
    """Return each row's log-odds by a head that has not seen its family, NaN for rows that were written for training."""
    scores = np.full(len(rows), np.nan)
    families = np.array([row.family for row in rows])
    learnable = np.array([row.learnable for row in rows])
    measured = np.array([not row.written for row in rows])
    for family in _families(rows):
        held_out = measured & ((families == family) if family else ~learnable)
        head = _trained(rows, spans, np.flatnonzero(learnable & ~held_out), settings)
        scores[held_out] = log_odds(spans.take(np.flatnonzero(held_out)), head)
        done(family or "measured only")
    return scores


def _families(rows: Sequence[Row]) -> list[str]:
    """Return the families that are held out one by one; the empty name stands for those that may only measure."""
    return sorted({row.family for row in rows if row.learnable and not row.written} | {""})


def _trained(rows: Sequence[Row], spans: Spans, chosen: Indices, settings: Settings) -> Head:
    labels = np.array([rows[at].label for at in chosen], np.float32)
    sources = np.array([rows[at].source for at in chosen])
    return fit(spans.take(chosen), labels, importances(labels, sources, settings.source_power), settings)


def _first(everything: Sequence[Row], rows: Sequence[Row], done: Callable[[str], None]) -> Doubles:
    """Return the log-odds of *rows* by scanners that have not seen their families, trained on everything else."""
    features = examples((row.text for row in everything), bundled_tokenizer())
    scores = unseen_log_odds(everything, features, ScannerSettings(), done)
    by_text = {row.text: score for row, score in zip(everything, scores, strict=True)}
    return np.array([by_text[row.text] for row in rows])


def _vectors(text: str, encoder: Encoder, cache: Path) -> "np.ndarray[tuple[int, int], np.dtype[np.float16]]":
    readable = text.encode("utf-8", "replace").decode()[:MOST_CHARS]
    file = cache / f"{hashlib.sha256(readable.encode()).hexdigest()}.npy"
    if not file.exists():
        windows = windows_of(readable, bundled_tokenizer())
        np.save(file, np.concatenate([encoder.spans(window) for window in windows]).astype(np.float16))
    return np.asarray(np.load(file), np.float16)


def corpus(data: Path, seed: int) -> list[Row]:
    """Return the rows that the scanner is trained with."""
    rows = read(data)
    passages = [row.text for row in rows if row.family == "p3" and len(row.text) >= _LEAST_PASSAGE_CHARS]
    rng = random.Random(seed)  # noqa: S311 nothing secret is drawn
    return [*rows, *documents(rng), *synthesise(passages, rng)]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m libs.scanner.training.second_opinion", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="directory of the labelled texts, *.jsonl.gz")
    parser.add_argument("--out", type=Path, required=True, help="directory for the head, its card and its figures")
    parser.add_argument("--cache", type=Path, required=True, help="directory for embedded texts; a run resumes from it")
    parser.add_argument("--weights", type=Path, default=installed_weights(), help="the transformer, if not installed")
    parser.add_argument("--seed", type=int, default=7)
    return parser


@contextmanager
def _told(what: str, steps: int) -> Iterator[Callable[[str], None]]:
    with Progress(console=Console(stderr=True)) as progress:
        task = progress.add_task(what, total=steps)
        yield lambda step: progress.update(task, advance=1, description=f"{what}: {step}")


if __name__ == "__main__":
    main()
