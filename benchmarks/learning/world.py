"""A world of recorded outcomes: every model's score and cost on every item, and what benchmarks said beforehand."""

import os
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from benchmarks.build_priors import Row, build, published_prices
from libs.providers.catalogue import Model, Price
from libs.routing.priors import Composite, Priors

ROOT = Path(__file__).parents[2]

Floats = NDArray[np.float64]


class World(msgspec.Struct, frozen=True, kw_only=True):
    """
    *scores* and *costs* (dollars) hold per task an array items × models, in the order of *models*.

    *priors* is the Day-0 table built without the boards that these outcomes come from. *cost_weight* is the utility lost per
    dollar; *tokens* are the input and output of a typical request, from which Day 0 guesses costs.
    """

    name: str
    models: dict[str, Model]
    scores: dict[str, Floats]
    costs: dict[str, Floats]
    priors: Priors
    cost_weight: float
    tokens: tuple[int, int]


def data_dir() -> Path:
    """Return the folder of recorded outcomes: `$FLOOPY_BENCH_DATA`, else beside the checkout."""
    return Path(os.environ.get("FLOOPY_BENCH_DATA", ROOT.parent / "shared" / "data" / "routing"))


def priors_for(rows: Iterable[Row], kinds: Mapping[str, str]) -> Priors:
    """Return the Day-0 table from *rows* with the world's tasks beside the taxonomy's; *kinds* maps one to the other."""
    listed = list(rows)
    at = max(row.date for row in listed)
    built = build(listed, published_prices(datetime.fromisoformat(at)), built_on=at)
    families = {name: _with_tasks(item, kinds) for name, item in built.families.items()}
    return msgspec.structs.replace(built, families=families)


def recorded_model(name: str, family: str, price: Price) -> Model:
    """Return a model that any request fits."""
    return Model(id=name, provider="recorded", upstream_id=name, family=family, price=price, context_tokens=10**7)


def _with_tasks(item: Composite, kinds: Mapping[str, str]) -> Composite:
    tasks = {task: item.tasks.get(kind, item.overall) for task, kind in kinds.items()}
    return msgspec.structs.replace(item, tasks={**item.tasks, **tasks})
