"""World "agentic": coding and research agents' attempts at real issues, with the dollars they cost."""

import csv
from collections import defaultdict
from pathlib import Path

import msgspec
import numpy as np
import pyarrow.parquet as pq

from benchmarks.build_priors import read_rows
from benchmarks.learning.world import World, priors_for, recorded_model
from libs.providers.catalogue import Model, Price
from libs.providers.families import family_of

KINDS = {
    "gaia": "tool_use",
    "swe-bench": "agentic_coding",
    "swt-bench": "agentic_coding",
    "swe-bench-multimodal": "agentic_coding",
}
MODELS = 16  # Those that ran on most items; an item counts only where each of them has an outcome.
MIN_ITEMS = 25  # Of a repository family for it to be a task of its own.
COST_WEIGHT = 0.03  # Benchmarks alone then reach about a third of the gap: neither useless nor enough.
FRUGAL_COST_WEIGHT = 0.1  # The best model of most tasks is then no longer the dearest.
TOKENS = (150_000, 15_000)

Outcomes = dict[str, dict[str, dict[str, tuple[float, float]]]]  # benchmark → item → model → score, dollars


def load_frugal(data: Path) -> World:
    """Read the world "agentic" as tenants see it to whom money counts three times as much."""
    return msgspec.structs.replace(load_agentic(data), name="frugal", cost_weight=FRUGAL_COST_WEIGHT)


def load_agentic(data: Path) -> World:
    """Read the world from openhands_index.parquet, openhands_models.csv and priors_long.csv in *data*."""
    models = _priced_models(data / "openhands_models.csv")
    outcomes = _outcomes(data / "openhands_index.parquet", models)
    covered = _most_covered(outcomes, models)
    scores, costs, kinds = {}, {}, {}
    for benchmark, items in sorted(outcomes.items()):
        complete = {item: found for item, found in items.items() if all(name in found for name in covered)}
        for task, members in _by_family(benchmark, complete).items():
            scores[task] = np.array([[items[item][name][0] for name in covered] for item in members])
            costs[task] = np.array([[items[item][name][1] for name in covered] for item in members])
            kinds[task] = KINDS[benchmark]
    rows = [row for row in read_rows(data / "priors_long.csv") if not row.board.startswith("openhands:")]
    return World(
        name="agentic",
        models={name: models[name] for name in covered},
        scores=scores,
        costs=costs,
        priors=priors_for(rows, kinds),
        cost_weight=COST_WEIGHT,
        tokens=TOKENS,
    )


def _priced_models(path: Path) -> dict[str, Model]:
    with path.open(newline="", encoding="utf-8") as file:
        lines = [line for line in csv.DictReader(file) if line["input_price"] and line["output_price"]]
    return {line["directory_name"]: _model(line) for line in lines}


def _model(line: dict[str, str]) -> Model:
    fresh = float(line["input_price"])
    read = float(line["cache_read_price"] or fresh)
    price = Price(fresh_input=fresh, cache_read=read, cache_write=fresh, output=float(line["output_price"]))
    return recorded_model(line["directory_name"], family_of(line["directory_name"]), price)


def _outcomes(path: Path, models: dict[str, Model]) -> Outcomes:
    found: Outcomes = defaultdict(lambda: defaultdict(dict))
    for row in pq.read_table(path).to_pylist():
        known = row["score"] is not None and row["cost"] is not None
        if known and row["task"] in KINDS and row["model"] in models:
            found[row["task"]][row["item"]][row["model"]] = (row["score"], row["cost"])
    return found


def _most_covered(outcomes: Outcomes, models: dict[str, Model]) -> list[str]:
    runs = {name: sum(name in item for items in outcomes.values() for item in items.values()) for name in models}
    return sorted(sorted(models, key=lambda name: (-runs[name], name))[:MODELS])


def _by_family(benchmark: str, items: dict[str, dict[str, tuple[float, float]]]) -> dict[str, list[str]]:
    """Return task → items: a repository family each, small ones together, and none that stays small."""
    families: dict[str, list[str]] = defaultdict(list)
    for item in sorted(items):
        families[f"{benchmark}:{item.split('__', 1)[0] if '__' in item else 'all'}"].append(item)
    for family in [family for family, members in families.items() if len(members) < MIN_ITEMS]:
        families[f"{benchmark}:rest"] += families.pop(family)
    return {task: members for task, members in families.items() if len(members) >= MIN_ITEMS}
