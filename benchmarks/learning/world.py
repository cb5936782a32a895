"""The world of the learning check: recorded agentic outcomes with real costs, tenants, and their raters."""

import csv
import os
from collections import defaultdict
from datetime import datetime
from pathlib import Path

import msgspec
import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from benchmarks.build_priors import Row, build, published_prices, read_rows
from libs.providers.catalogue import Model, Price
from libs.providers.families import family_of
from libs.routing.priors import Composite, Priors

ROOT = Path(__file__).parents[2]
BENCHMARKS = {
    "gaia": "tool_use",
    "swe-bench": "agentic_coding",
    "swt-bench": "agentic_coding",
    "swe-bench-multimodal": "agentic_coding",
}
MODELS = 16  # The models run on most items; an item counts only where each of them has an outcome.
MIN_ITEMS = 25  # Of a repository family for it to be a task of its own.
OWN_ITEMS = 0.5  # Share of a task's items that one tenant's work consists of.


class World(msgspec.Struct, frozen=True, kw_only=True):
    """
    *scores* and *costs* hold per task an array items × models, in the order of *models*.

    *priors* is the Day-0 table built without the boards that these outcomes come from.
    """

    models: dict[str, Model]
    scores: dict[str, NDArray[np.float64]]
    costs: dict[str, NDArray[np.float64]]
    priors: Priors


class Tenant(msgspec.Struct, frozen=True, kw_only=True):
    """One organisation: the items its work consists of by task, how often each task comes, and its rater's harshness."""

    name: str
    items: dict[str, NDArray[np.int64]]
    shares: dict[str, float]
    harshness: float


def data_dir() -> Path:
    """Return the folder of recorded outcomes: `$FLOOPY_BENCH_DATA`, else beside the checkout."""
    return Path(os.environ.get("FLOOPY_BENCH_DATA", ROOT.parent / "shared" / "data" / "routing"))


def load_world(data: Path) -> World:
    """Read the world from *data*."""
    models = _models(data / "openhands_models.csv")
    found: dict[str, dict[str, dict[str, tuple[float, float]]]] = defaultdict(lambda: defaultdict(dict))
    for row in pq.read_table(data / "openhands_index.parquet").to_pylist():
        known = row["score"] is not None and row["cost"] is not None
        if known and row["task"] in BENCHMARKS and row["model"] in models:
            found[row["task"]][row["item"]][row["model"]] = (row["score"], row["cost"])
    runs = {name: sum(name in item for items in found.values() for item in items.values()) for name in models}
    covered = sorted(sorted(models, key=lambda name: (-runs[name], name))[:MODELS])
    scores: dict[str, NDArray[np.float64]] = {}
    costs: dict[str, NDArray[np.float64]] = {}
    for benchmark, items in sorted(found.items()):
        for task, members in _by_family(benchmark, items).items():
            full = [items[item] for item in members if all(name in items[item] for name in covered)]
            if len(full) >= MIN_ITEMS:
                scores[task] = np.array([[item[name][0] for name in covered] for item in full])
                costs[task] = np.array([[item[name][1] for name in covered] for item in full])
    rows = [row for row in read_rows(data / "priors_long.csv") if not row.board.startswith("openhands:")]
    return World(
        models={name: models[name] for name in covered}, scores=scores, costs=costs, priors=_priors(rows, list(scores))
    )


def draw_tenant(world: World, name: str, rng: np.random.Generator) -> Tenant:
    """Return a tenant that does three of the world's tasks, each on a sample of its items."""
    tasks = [str(task) for task in rng.choice(sorted(world.scores), size=3, replace=False)]
    items = {}
    for task in tasks:
        total = len(world.scores[task])
        items[task] = rng.choice(total, size=max(10, int(OWN_ITEMS * total)), replace=False)
    shares = rng.dirichlet(np.ones(len(tasks)) * 2.0)
    return Tenant(
        name=name,
        items=items,
        shares={task: float(share) for task, share in zip(tasks, shares, strict=True)},
        harshness=float(rng.normal(0.0, 0.05)),
    )


def utilities(world: World, tenant: Tenant, task: str, cost_weight: float) -> NDArray[np.float64]:
    """Return the true mean utility of each model for one tenant and task."""
    chosen = tenant.items[task]
    return np.asarray((world.scores[task][chosen] - cost_weight * world.costs[task][chosen]).mean(axis=0))


def _models(path: Path) -> dict[str, Model]:
    models = {}
    with path.open(newline="", encoding="utf-8") as file:
        for line in csv.DictReader(file):
            if line["input_price"] and line["output_price"]:
                fresh = float(line["input_price"])
                read = float(line["cache_read_price"] or fresh)
                price = Price(fresh_input=fresh, cache_read=read, cache_write=fresh, output=float(line["output_price"]))
                name = line["directory_name"]
                models[name] = Model(
                    id=name,
                    provider="recorded",
                    upstream_id=name,
                    family=family_of(name),
                    price=price,
                    context_tokens=10**7,
                )
    return models


def _by_family(benchmark: str, items: dict[str, dict[str, tuple[float, float]]]) -> dict[str, list[str]]:
    families: dict[str, list[str]] = defaultdict(list)
    for item in sorted(items):
        families[f"{benchmark}:{item.split('__', 1)[0] if '__' in item else 'all'}"].append(item)
    small = [family for family, members in families.items() if len(members) < MIN_ITEMS]
    for family in small:
        families[f"{benchmark}:rest"] += families.pop(family)
    return dict(families)


def _priors(rows: list[Row], tasks: list[str]) -> Priors:
    """Return the table with the world's task names beside the taxonomy's."""
    at = max(row.date for row in rows)
    built = build(rows, published_prices(datetime.fromisoformat(at)), built_on=at)
    families = {
        name: Composite(
            overall=item.overall,
            boards=item.boards,
            tasks={
                **item.tasks,
                **{task: item.tasks.get(BENCHMARKS[task.split(":", 1)[0]], item.overall) for task in tasks},
            },
        )
        for name, item in built.families.items()
    }
    return msgspec.structs.replace(built, families=families)
