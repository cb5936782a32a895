"""`python -m libs.scanner.training --data DIR --out DIR`: measure on unseen sources, train on all, write model, card and figures."""

import argparse
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
from rich.console import Console
from rich.progress import Progress

from libs.scanner.model import THRESHOLDS
from libs.scanner.tokens import bundled_tokenizer
from libs.scanner.training import card, graph
from libs.scanner.training.corpus import Row, read
from libs.scanner.training.documents import documents
from libs.scanner.training.evaluation import FOLDS, Report, report, train, unseen_log_odds
from libs.scanner.training.features import examples
from libs.scanner.training.fit import Model, Settings
from libs.scanner.training.senses import bundled_senses
from libs.scanner.training.synthesis import synthesise

_LEAST_PASSAGE_CHARS: Final = 200


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the whole training; nothing but the seed and the data decides the outcome."""
    options = _parser().parse_args(arguments)
    settings = Settings(seed=options.seed)
    rows = _rows(options.data, settings.seed)
    features = examples((row.text for row in rows), bundled_tokenizer())
    with _told(FOLDS + 2) as done:
        figures = report(rows, unseen_log_odds(rows, features, settings, done))
        model = train(rows, features, np.flatnonzero([row.learnable for row in rows]), settings)
        done("all")
    _write(options.out, rows, figures, settings, model)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m libs.scanner.training", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="directory of the labelled texts, *.jsonl.gz")
    parser.add_argument(
        "--out", type=Path, required=True, help="directory for firewall.onnx, MODEL_CARD.md, evaluation.json"
    )
    parser.add_argument("--seed", type=int, default=7)
    return parser


def _rows(data: Path, seed: int) -> list[Row]:
    rows = read(data)
    passages = [row.text for row in rows if row.family == "p3" and len(row.text) >= _LEAST_PASSAGE_CHARS]
    rng = random.Random(seed)  # noqa: S311 nothing secret is drawn
    return [*rows, *documents(rng), *synthesise(passages, rng)]


@contextmanager
def _told(steps: int) -> Iterator[Callable[[str], None]]:
    with Progress(console=Console(stderr=True)) as progress:
        task = progress.add_task("training", total=steps)
        yield lambda family: progress.update(task, advance=1, description=family)


def _write(out: Path, rows: Sequence[Row], figures: Report, settings: Settings, model: Model) -> None:
    bands = msgspec.json.encode(figures.thresholds).decode()
    graph.write(out / "firewall.onnx", bundled_senses(), model.slots, model.bias, {THRESHOLDS: bands})
    (out / "MODEL_CARD.md").write_text(card.write(rows, figures, settings), encoding="utf-8")
    (out / "evaluation.json").write_bytes(msgspec.json.format(msgspec.json.encode(figures), indent=2) + b"\n")


if __name__ == "__main__":
    main()
