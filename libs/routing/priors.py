"""Day 0: what public benchmarks say of a model before anybody has rated it."""

import hashlib
from collections.abc import Iterable
from functools import lru_cache
from importlib.resources import files
from math import log
from typing import Literal

import msgspec

from libs.contracts.events import Estimate, ModelEstimates, WeightsPublished
from libs.contracts.state import POOL
from libs.providers.catalogue import Model
from libs.providers.families import line_of, version_of
from libs.routing.phases import weights_of
from libs.routing.tasks import TASKS

DAY0 = "day0"  # Event id of what the shipped table says; of another table `day0:` and its `table_id`.
TABLE_ID_CHARS = 12
ANY_TASK = "*"  # Estimates for a task that nobody has heard of.
LEVEL = 0.62  # Where a middling model starts; evidence corrects the level, benchmarks only say who is better.
SPREAD = 0.06  # Score points per standard deviation between models.
VARIANCE = 0.0153  # One session's noise (.08) over six sessions' worth, plus one fortieth: what a prior is trusted for.
UNMEASURED_Z = -0.75  # Added to what price suggests of a model on no board: cautious until it has shown itself.
SUCCESSOR_Z = -0.25  # The same for a new model of a line that boards know: successors are seldom worse.
PRICE_RANGE = (0.02, 60.0)  # Dollars per million tokens between which price says anything about quality.


class Board(msgspec.Struct, frozen=True, kw_only=True):
    """Where scores came from: a public board, the models it ranks, and the dates of its rows."""

    name: str
    source: str
    models: int
    first_date: str
    last_date: str
    tasks: tuple[str, ...]


class Composite(msgspec.Struct, frozen=True, kw_only=True):
    """
    A family's standing over all boards as a z-score, and per task; *boards* is how many ranked it.

    *standard_errors* say of *tasks*, in the same unit, how far boards leave each open. A table without them has no such
    field at all, so that tables from before it keep their ids.
    """

    overall: float
    boards: int
    tasks: dict[str, float] = {}
    standard_errors: dict[str, float] | msgspec.UnsetType = msgspec.UNSET


class Priors(msgspec.Struct, frozen=True, kw_only=True):
    """
    The Day-0 table: families by name, and the best family of each product line.

    *price_slope* and *price_intercept* predict z from the logarithm of the blended token price.
    """

    built_on: str
    boards: tuple[Board, ...]
    families: dict[str, Composite]
    lines: dict[str, str]
    price_slope: float
    price_intercept: float


@lru_cache(maxsize=1)
def load_priors() -> Priors:
    """Return the table that ships with the code."""
    return msgspec.json.decode(files("libs.routing").joinpath("data/priors.json").read_bytes(), type=Priors)


def table_id(priors: Priors) -> str:
    """Return the start of the SHA-256 of the table's canonical JSON."""
    return hashlib.sha256(msgspec.json.encode(priors, order="sorted")).hexdigest()[:TABLE_ID_CHARS]


def day0_id(priors: Priors) -> str:
    """Return the event id under which decisions name what *priors* alone says."""
    return DAY0 if priors == load_priors() else f"{DAY0}:{table_id(priors)}"


def basis_of(priors: Priors, model: Model) -> Literal["benchmarks", "predecessor", "price"]:
    """Return what `prior_of` rests on for *model*."""
    if model.family in priors.families:
        return "benchmarks"
    return "price" if _predecessor(priors, model) is None else "predecessor"


def prior_of(priors: Priors, model: Model, task: str) -> Estimate:
    """
    Return what benchmarks expect of *model* on *task*.

    That is its composite where boards rank it, else what its price and its predecessors suggest, less a caution and with
    twice the variance. The variance is a constant that was measured on sessions: a standard error says how far boards agree
    with each other, not how well they foretell ratings, and is told (`standard_error_of`) but not decided by.
    """
    known = priors.families.get(model.family)
    if known is None:
        return Estimate(mean=_quality(_unmeasured(priors, model)), variance=2 * VARIANCE)
    return Estimate(mean=_quality(known.tasks.get(task, known.overall)), variance=VARIANCE)


def standard_error_of(priors: Priors, model: Model, task: str) -> float | None:
    """
    Return the standard error of *model*'s composite on *task* in score points, the unit of `prior_of(...).mean`.

    None where no board of the task ranks the model, or the table does not say.
    """
    known = priors.families.get(model.family)
    if known is None or known.standard_errors is msgspec.UNSET or task not in known.standard_errors:
        return None
    return SPREAD * known.standard_errors[task]


def day0(priors: Priors, models: Iterable[Model], *, now_ms: int) -> WeightsPublished:
    """Return the weights of a tenant nobody knows: version 0, every task, benchmarks only."""
    listed = tuple(models)
    tasks = {
        task: {model.id: ModelEstimates(benchmark=prior_of(priors, model, task)) for model in listed}
        for task in (*TASKS, ANY_TASK)
    }
    return WeightsPublished(
        event_id=day0_id(priors),
        scope=POOL,
        version=0,
        published_at_ms=now_ms,
        phase="day0",
        weights=weights_of("day0"),
        tasks=tasks,
    )


def blended_price(model: Model) -> float | None:
    """Return dollars per million tokens at three prompt tokens for one of output; None where the price is unknown."""
    if model.price is None:
        return None
    return (3.0 * model.price.fresh_input + model.price.output) / 4.0


def _unmeasured(priors: Priors, model: Model) -> float:
    predecessor = _predecessor(priors, model)
    if predecessor is None:
        return _by_price(priors, model) + UNMEASURED_Z
    return (_by_price(priors, model) + predecessor.overall) / 2 + SUCCESSOR_Z


def _predecessor(priors: Priors, model: Model) -> Composite | None:
    best = priors.lines.get(line_of(model.family))
    if best is None or version_of(model.family) <= version_of(best):
        return None
    return priors.families[best]


def _by_price(priors: Priors, model: Model) -> float:
    blended = blended_price(model)
    if blended is None:
        return 0.0
    low, high = PRICE_RANGE
    return priors.price_intercept + priors.price_slope * log(min(high, max(low, blended)))


def _quality(z: float) -> float:
    return min(0.98, max(0.02, LEVEL + SPREAD * z))
