"""
How often a session is quarantined: sessions put together from texts whose family of sources the scanner had not seen.

`python -m benchmarks.quarantine --data DIR` takes a few minutes, for it trains a scanner per family. Each session has texts of one
family; its evidence is joined as the deep scan joins it, and compared with the rule that one blockable passage quarantines. A hostile
session has `HINTS` attacks, none of which would be blocked, among ordinary texts. Homogeneous sessions are the hard case: where a
family is mistaken for attacks, all of its sessions are.
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from libs.scanner.second_opinion_calibration import log_odds, probability
from libs.scanner.tokens import bundled_tokenizer
from libs.scanner.training.corpus import Row
from libs.scanner.training.evaluation import kind_of, report, unseen_log_odds
from libs.scanner.training.features import examples
from libs.scanner.training.fit import Settings
from libs.scanner.training.second_opinion import corpus
from services.firewall.domain.evidence import HOSTILE, total, weight

SESSIONS: Final = 2_000
LENGTHS: Final = (10, 40)
HINTS: Final = 6
LEAST_TEXTS: Final = 60
ORDINARY: Final = "gpteacher"

Indices = npt.NDArray[np.intp]


class Texts(NamedTuple):
    """What is known of each measured text."""

    families: npt.NDArray[np.str_]
    kinds: npt.NDArray[np.str_]
    weights: npt.NDArray[np.float64]
    blocked: npt.NDArray[np.bool_]


def main(arguments: Sequence[str] | None = None) -> None:
    """Print one line per kind and length: the mean, median and worst family, by both rules."""
    options = _parser().parse_args(arguments)
    texts = _texts(corpus(options.data, options.seed), options.seed)
    rng = np.random.default_rng(options.seed)
    for length in LENGTHS:
        for kind in sorted(set(texts.kinds)):
            found = np.array(list(_by_family(texts, kind, length, rng)))
            if len(found):
                print(
                    f"{length:3} texts, {kind:24} by evidence {_spread(found[:, 0])}  by one passage {_spread(found[:, 1])}"
                )


def _texts(rows: Sequence[Row], seed: int) -> Texts:
    features = examples((row.text for row in rows), bundled_tokenizer())
    scores = unseen_log_odds(rows, features, Settings(seed=seed), lambda _: None)
    measured = np.flatnonzero(~np.isnan(scores))
    thresholds = report(rows, scores).thresholds
    bands = [thresholds.of("tool" if "tool result" in kind_of(rows[at]) else "user") for at in measured.tolist()]
    return Texts(
        families=np.array([rows[at].family for at in measured.tolist()]),
        kinds=np.array([kind_of(rows[at]) for at in measured.tolist()]),
        weights=np.array([weight(probability(scores[at]), band) for at, band in zip(measured, bands, strict=True)]),
        blocked=np.array([scores[at] >= log_odds(band.block) for at, band in zip(measured, bands, strict=True)]),
    )


def _by_family(texts: Texts, kind: str, length: int, rng: np.random.Generator) -> Iterator[tuple[float, float]]:
    hostile = "attack" in kind
    for family in np.unique(texts.families):
        mine = np.flatnonzero((texts.families == family) & (texts.kinds == kind) & ~(texts.blocked & hostile))
        if len(mine) >= LEAST_TEXTS:
            sessions = _mixed(texts, mine, length, rng) if hostile else rng.choice(mine, (SESSIONS, length))
            yield _quarantined(texts, sessions)


def _mixed(texts: Texts, attacks: Indices, length: int, rng: np.random.Generator) -> Indices:
    ordinary = np.flatnonzero(texts.families == ORDINARY)
    hints = rng.choice(attacks, (SESSIONS, HINTS))
    return np.concatenate([hints, rng.choice(ordinary, (SESSIONS, length - HINTS))], axis=1)


def _quarantined(texts: Texts, sessions: Indices) -> tuple[float, float]:
    by_evidence = [total(texts.weights[np.unique(session)].tolist()) >= HOSTILE for session in sessions]
    return float(np.mean(by_evidence)), float(texts.blocked[sessions].any(axis=1).mean())


def _spread(shares: "npt.NDArray[np.float64]") -> str:
    return f"mean {shares.mean():6.1%} median {np.median(shares):6.1%} worst {shares.max():6.1%}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quarantine", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="directory of the labelled texts, *.jsonl.gz")
    parser.add_argument("--seed", type=int, default=7)
    return parser


if __name__ == "__main__":
    main()
