"""Where Day 0 comes from: the boards behind the table in force, and what it says of a model on which grounds."""

from collections.abc import Iterable
from typing import Any

import msgspec

from libs.providers.catalogue import Model
from libs.routing.priors import Priors, basis_of, prior_of, standard_error_of, table_id
from libs.routing.tasks import TASKS

SHOWN_DECIMALS = 4


def name_of(table: Priors) -> dict[str, str]:
    """Return what identifies the table."""
    return {"table": table_id(table), "built_on": table.built_on}


def view(table: Priors, models: Iterable[Model]) -> dict[str, Any]:
    """Return the table's boards with sources and dates, and of each of *models* what is expected on each task, and its error."""
    return {
        **name_of(table),
        "boards": msgspec.to_builtins(table.boards),
        "models": {model.id: _expectation(table, model) for model in models},
    }


def _expectation(table: Priors, model: Model) -> dict[str, Any]:
    known = table.families.get(model.family)
    return {
        "family": model.family,
        "basis": basis_of(table, model),
        "boards": 0 if known is None else known.boards,
        "expected": {task: round(prior_of(table, model, task).mean, SHOWN_DECIMALS) for task in TASKS},
        "standard_error": {task: _rounded(standard_error_of(table, model, task)) for task in TASKS},
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, SHOWN_DECIMALS)
