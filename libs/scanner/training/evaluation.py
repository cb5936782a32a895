"""Evaluation: what the model does to sources that it has not seen, and the bands that follow from it."""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Final, Literal

import msgspec
import numpy as np
import numpy.typing as npt

from libs.scanner.training.corpus import Row
from libs.scanner.training.features import Examples
from libs.scanner.training.fit import Doubles, Floats, Model, Settings, fit, importances, log_odds
from libs.scanner.verdict import Band, Thresholds

Kind = Literal["ordinary", "trigger words", "tool results", "attack", "attack in a tool result"]

BLOCKED_ORDINARY: Final = 0.009
"""Share of ordinary requests of unseen sources that the block threshold is set for; one in a hundred is promised."""

FLAGGED_ORDINARY: Final = 0.02

BLOCKED_TOOL_RESULTS: Final = 0.02
"""Share of unseen tool results that may be blocked: whole files and manuals, where a request is a sentence or two."""

FOLDS: Final = 9
"""Models trained to measure: each has not seen the families of its fold."""

_TRIGGER_FAMILIES: Final = frozenset(
    {"own_hardneg", "bastioncorpus", "slabs", "neuralchemy", "neuralchemy/wildguard_judgecomp"}
)
_TOOL_SOURCES: Final = frozenset(
    {"bipia_ctx", "bipia_synth", "own_synth", "python_stdlib", "package_manuals", "package_sources"}
)
_TOOL_CATEGORIES: Final = frozenset({"indirect", "indirect_injection", "rag_poisoning"})
_Z95: Final = 1.96


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """How many of `rows` were blocked and flagged or blocked, with the 95 % Wilson interval of the blocked share."""

    rows: int
    blocked: float
    low: float
    high: float
    flagged: float


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """Every figure is of rows whose family the scoring model had not seen."""

    thresholds: Thresholds
    kinds: dict[str, Share]
    families: dict[str, Share]
    mean_recall: float


def kind_of(row: Row) -> Kind:
    """Return what a row stands for in the report."""
    carried = row.source in _TOOL_SOURCES or row.category in _TOOL_CATEGORIES
    if row.label:
        return "attack in a tool result" if carried else "attack"
    if carried:
        return "tool results"
    return "trigger words" if row.family in _TRIGGER_FAMILIES else "ordinary"


def unseen_log_odds(
    rows: Sequence[Row], features: Examples, settings: Settings, done: Callable[[str], None]
) -> Doubles:
    """
    Return each row's log-odds by a model that has not seen its family, nor the others of its fold.

    Rows written for training (`written`) are NaN: they belong to every training set. Rows that may only measure make a fold of their own.
    *done* hears of each fold.
    """
    families = np.array([row.family for row in rows])
    learnable = np.array([row.learnable for row in rows])
    measured = np.array([not row.written for row in rows])
    scores = np.full(len(rows), np.nan)
    for fold in ([], *folds(families[learnable & measured])):
        held_out = measured & (np.isin(families, fold) if fold else ~learnable)
        model = train(rows, features, np.flatnonzero(learnable & ~held_out), settings)
        scores[held_out] = log_odds(features.take(np.flatnonzero(held_out)), model)
        done(", ".join(fold) or "measured only")
    return scores


def folds(families: npt.NDArray[np.str_]) -> list[list[str]]:
    """Share the families of the rows out: the largest first, each to the fold with the fewest rows."""
    names, sizes = np.unique(families, return_counts=True)
    found: list[list[str]] = [[] for _ in range(min(FOLDS, len(names)))]
    rows = [0] * len(found)
    for at in np.argsort(-sizes, kind="stable"):
        least = rows.index(min(rows))
        found[least].append(str(names[at]))
        rows[least] += int(sizes[at])
    return found


def train(rows: Sequence[Row], features: Examples, chosen: npt.NDArray[np.intp], settings: Settings) -> Model:
    """Return the model of the *chosen* rows."""
    labels: Floats = np.array([rows[at].label for at in chosen], np.float32)
    sources = np.array([rows[at].source for at in chosen])
    return fit(features.take(chosen), labels, importances(labels, sources, settings.source_power), settings)


def report(rows: Sequence[Row], scores: Doubles) -> Report:
    """Return thresholds and shares for the log-odds of *rows*."""
    kinds = np.array([kind_of(row) for row in rows])
    measured = ~np.isnan(scores)
    thresholds = _thresholds(scores[measured], kinds[measured])
    names = np.array([f"{row.family}: {kind_of(row)}" for row in rows])
    families = dict(_shares(names[measured], scores[measured], kinds[measured], thresholds))
    recalls = [share.blocked for name, share in families.items() if ": attack" in name]
    return Report(
        thresholds=thresholds,
        kinds=dict(_shares(kinds[measured], scores[measured], kinds[measured], thresholds)),
        families=families,
        mean_recall=float(np.mean(recalls)),
    )


def _thresholds(scores: Doubles, kinds: npt.NDArray[np.str_]) -> Thresholds:
    """Set the bands; tool results have one of their own, set on the documents that tools return."""
    ordinary = scores[kinds == "ordinary"]
    block, flag = (np.quantile(ordinary, 1 - share) for share in (BLOCKED_ORDINARY, FLAGGED_ORDINARY))
    tools = np.quantile(scores[kinds == "tool results"], 1 - BLOCKED_TOOL_RESULTS)
    tool_block = max(float(tools), float(flag))
    return Thresholds(
        default=Band(flag=_probability(flag), block=_probability(block)),
        by_role={"tool": Band(flag=_probability(flag), block=_probability(tool_block))},
    )


def _shares(
    names: npt.NDArray[np.str_], scores: Doubles, kinds: npt.NDArray[np.str_], thresholds: Thresholds
) -> Iterator[tuple[str, Share]]:
    for name in np.unique(names):
        mine = names == name
        band = thresholds.of("tool" if "tool result" in kinds[mine][0] else "user")
        probabilities = np.array([_probability(score) for score in scores[mine]])
        blocked, flagged = (int((probabilities >= limit).sum()) for limit in (band.block, band.flag))
        yield str(name), share(blocked, flagged, len(probabilities))


def share(blocked: int, flagged: int, rows: int) -> Share:
    """Return the shares of *rows* with Wilson's interval."""
    observed = blocked / rows
    centre = (observed + _Z95**2 / (2 * rows)) / (1 + _Z95**2 / rows)
    spread = math.sqrt(observed * (1 - observed) / rows + _Z95**2 / (4 * rows**2)) * _Z95 / (1 + _Z95**2 / rows)
    return Share(
        rows=rows,
        blocked=observed,
        low=max(0.0, centre - spread),
        high=min(1.0, centre + spread),
        flagged=flagged / rows,
    )


def _probability(log_odds: float) -> float:
    return float(1 / (1 + math.exp(-log_odds)))
