"""
Builds the Day-0 table that ships in libs/routing/data/priors.json from published benchmark scores.

`python -m benchmarks.build_priors` reads priors_long.csv (model, task_category, score, source, date) under $FLOOPY_BENCH_DATA.
Boards are put on one scale by the models they share, so that a board of old models does not flatter a new one.
"""

import argparse
import csv
import os
import sys
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime
from math import log, sqrt
from pathlib import Path

import msgspec
import numpy as np

from libs.providers.families import family_of, line_of
from libs.providers.known import KNOWN, is_chat
from libs.providers.prices import published
from libs.routing.priors import PRICE_RANGE, Board, Composite, Priors

ROOT = Path(__file__).parents[1]
TARGET = ROOT / "libs" / "routing" / "data" / "priors.json"

BOARD_TASKS: dict[str, tuple[str, ...]] = {
    "livebench:Reasoning": ("reasoning",),
    "livebench:Coding": ("coding",),
    "livebench:Agentic Coding": ("agentic_coding",),
    "livebench:Mathematics": ("math",),
    "livebench:Data Analysis": ("data", "structured"),
    "livebench:Language": ("writing",),
    "livebench:IF": ("structured", "writing", "chat"),
    "openhands:commit0": ("agentic_coding",),
    "openhands:swe-bench": ("agentic_coding",),
    "openhands:swe-bench-multimodal": ("agentic_coding", "vision"),
    "openhands:swt-bench": ("agentic_coding",),
    "openhands:gaia": ("tool_use", "long_context"),
    "tau2:airline": ("tool_use",),
    "tau2:banking_knowledge": ("tool_use", "long_context"),
    "tau2:retail": ("tool_use",),
    "tau2:telecom": ("tool_use",),
    "swebench:verified_mini_agent": ("agentic_coding",),
    "aider:polyglot_pass2": ("coding",),
    "lmarena:text_elo": ("chat", "writing"),
}
ROUNDS = 30
TASK_SHRINKAGE = 1.5  # Boards' worth of the overall standing in a task's: half a dozen boards agree better than one.
OVERALL_SHRINKAGE = 0.5  # Boards' worth of the mean model in a model's overall standing.
PRICE_SHARE = 0.5  # Weight of the standardised log price beside the boards: buyers have tried the models, too.
SPREAD_SHRINKAGE = 8.0  # Degrees of freedom of the common spread: from 8 on, the likelihood of the boards is flat.
MIN_BOARDS_OF_REFERENCE = 3  # Models on at least so many boards set the zero and the unit of the scale.


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One published score."""

    family: str
    board: str
    score: float
    source: str
    date: str


def read_rows(path: Path) -> list[Row]:
    """Return the scores at *path* that belong to a board of `BOARD_TASKS`."""
    with path.open(newline="", encoding="utf-8") as file:
        return [
            Row(
                family=family_of(line["model"]),
                board=line["task_category"],
                score=float(line["score"]),
                source=line["source"],
                date=line["date"],
            )
            for line in csv.DictReader(file)
            if line["task_category"] in BOARD_TASKS
        ]


def build(rows: Iterable[Row], prices: Mapping[str, float], *, built_on: str) -> Priors:
    """Return the table from *rows* and the blended dollars per million tokens of each family."""
    listed = list(rows)
    table = best_variants(listed)
    standing = linked(table)
    overall = {family: _overall(standing, family) for family in sorted({row.family for row in listed})}
    counts = {family: sum(family in column for column in table.values()) for family in overall}
    reference = [family for family in overall if family in prices and counts[family] >= MIN_BOARDS_OF_REFERENCE]
    slope, intercept = _price_trend(overall, prices, reference)
    zero, unit = _scale([overall[family] for family in reference])
    boards = {family: _boards_of(standing, family) for family in overall}
    spread = common_spread([found for by_task in boards.values() for found in by_task.values()])
    families = {}
    for family, standing_overall in overall.items():
        lift = _price_lift(family, prices, reference)
        tasks = {task: _shrunk(found, standing_overall) for task, found in boards[family].items()}
        errors = {task: standard_error(found, spread) for task, found in boards[family].items()}
        families[family] = Composite(
            overall=round((standing_overall - zero) / unit + lift, 3),
            boards=counts[family],
            tasks={task: round((value - zero) / unit + lift, 3) for task, value in tasks.items()},
            standard_errors={task: round(error / unit, 3) for task, error in errors.items()},
        )
    return Priors(
        built_on=built_on,
        boards=_provenance(listed),
        families=families,
        lines=_lines(families),
        price_slope=round(slope / unit, 4),
        price_intercept=round((intercept - zero) / unit, 4),
    )


def best_variants(rows: Iterable[Row]) -> dict[str, dict[str, float]]:
    """Return board → family → score of the family's best variant and effort."""
    table: dict[str, dict[str, float]] = defaultdict(dict)
    for row in rows:
        column = table[row.board]
        column[row.family] = max(row.score, column.get(row.family, row.score))
    return dict(table)


def linked(table: Mapping[str, Mapping[str, float]]) -> dict[str, dict[str, float]]:
    """
    Return board → family → z on one common scale.

    Each round gives a board the mean and spread that its models have elsewhere, then each model the mean of its boards.
    """
    standing = {board: _standardised(column) for board, column in table.items() if len(column) > 1}
    for _ in range(ROUNDS):
        overall = {family: _overall(standing, family) for column in standing.values() for family in column}
        for board, column in standing.items():
            zero, unit = _scale([overall[family] for family in column])
            standing[board] = {family: zero + unit * z for family, z in _standardised(column).items()}
        zero, unit = _scale(list(overall.values()))
        standing = {board: {f: (z - zero) / unit for f, z in column.items()} for board, column in standing.items()}
    return standing


def standard_error(found: Collection[float], spread: float) -> float:
    """
    Return how far the mean of as many other boards of the task would lie from the mean of *found* (n z-scores, n ≥ 1).

    The n boards' own variance is shrunk to spread² with `SPREAD_SHRINKAGE` degrees of freedom ν, as with few boards it may be
    small by chance (Smyth 2004, moderated variance): √((ν·spread² + Σ(z − mean)²) / (n − 1 + ν) / n). One board: *spread*.
    Boards count as independent: of several by one publisher, the true error is larger.
    """
    count = len(found)
    return sqrt((SPREAD_SHRINKAGE * spread**2 + _squares(found)) / (count - 1 + SPREAD_SHRINKAGE) / count)


def common_spread(groups: Collection[Collection[float]]) -> float:
    """Return the pooled standard deviation of z within *groups* (boards of one task on one model); 1 where each has one."""
    freedom = sum(len(group) - 1 for group in groups)
    return sqrt(sum(map(_squares, groups)) / freedom) if freedom else 1.0


def published_prices(at: datetime) -> dict[str, float]:
    """Return the least blended dollars per million tokens of each family among the known providers."""
    prices: dict[str, float] = {}
    for known in KNOWN:
        for item in published(known.prices_id, at):
            blended = (3.0 * item.price.fresh_input + item.price.output) / 4.0
            if blended > 0 and is_chat(item.upstream_id):
                family = family_of(item.upstream_id)
                prices[family] = min(blended, prices.get(family, blended))
    return prices


def _lines(families: Mapping[str, Composite]) -> dict[str, str]:
    """Return the best family of each product line: what its next model starts from."""
    lines: dict[str, str] = {}
    for family in sorted(families, key=lambda name: (-families[name].overall, name)):
        lines.setdefault(line_of(family), family)
    return lines


def _overall(standing: Mapping[str, Mapping[str, float]], family: str) -> float:
    """Return the mean standing over publishers, so that one with many columns counts once."""
    by_publisher: dict[str, list[float]] = defaultdict(list)
    for board, column in standing.items():
        if family in column:
            by_publisher[board.split(":", 1)[0]].append(column[family])
    means = [sum(values) / len(values) for values in by_publisher.values()]
    return sum(means) / (len(means) + OVERALL_SHRINKAGE)


def _boards_of(standing: Mapping[str, Mapping[str, float]], family: str) -> dict[str, list[float]]:
    """Return task → z of the family on each board of the task."""
    values: dict[str, list[float]] = defaultdict(list)
    for board, column in standing.items():
        for task in BOARD_TASKS[board] if family in column else ():
            values[task].append(column[family])
    return dict(sorted(values.items()))


def _shrunk(found: Collection[float], overall: float) -> float:
    return (sum(found) + TASK_SHRINKAGE * overall) / (len(found) + TASK_SHRINKAGE)


def _squares(found: Collection[float]) -> float:
    mean = sum(found) / len(found)
    return sum((z - mean) ** 2 for z in found)


def _price_trend(
    overall: Mapping[str, float], prices: Mapping[str, float], reference: list[str]
) -> tuple[float, float]:
    logs = np.array([_log_price(prices[family]) for family in reference])
    slope, intercept = np.polyfit(logs, np.array([overall[family] for family in reference]), 1)
    return float(slope), float(intercept)


def _price_lift(family: str, prices: Mapping[str, float], reference: list[str]) -> float:
    if family not in prices:
        return 0.0
    zero, unit = _scale([_log_price(prices[other]) for other in reference])
    return PRICE_SHARE * (_log_price(prices[family]) - zero) / unit


def _log_price(price: float) -> float:
    low, high = PRICE_RANGE
    return log(min(high, max(low, price)))


def _standardised(column: Mapping[str, float]) -> dict[str, float]:
    zero, unit = _scale(list(column.values()))
    return {family: (value - zero) / unit for family, value in column.items()}


def _scale(values: list[float]) -> tuple[float, float]:
    spread = float(np.std(values))
    return float(np.mean(values)), spread if spread > 0 else 1.0


def _provenance(rows: list[Row]) -> tuple[Board, ...]:
    by_board: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_board[row.board].append(row)
    return tuple(
        Board(
            name=board,
            source=found[0].source,
            models=len({row.family for row in found}),
            first_date=min(row.date for row in found),
            last_date=max(row.date for row in found),
            tasks=BOARD_TASKS[board],
        )
        for board, found in sorted(by_board.items())
    )


def main() -> int:
    """Write the table and say what went into it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=TARGET, help="where to write (default: the shipped table)")
    arguments = parser.parse_args()
    source = Path(os.environ.get("FLOOPY_BENCH_DATA", ROOT.parent / "shared" / "data" / "routing")) / "priors_long.csv"
    if not source.exists():
        print(f"{source} not found: set FLOOPY_BENCH_DATA to the folder that holds priors_long.csv", file=sys.stderr)
        return 1
    at = datetime.fromtimestamp(source.stat().st_mtime, UTC)
    priors = build(read_rows(source), published_prices(at), built_on=at.date().isoformat())
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_bytes(msgspec.json.format(msgspec.json.encode(priors), indent=1) + b"\n")
    print(f"{len(priors.families)} families from {len(priors.boards)} boards -> {arguments.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
