"""Day-0 tables that an operator loads in place of the shipped one: checked when they are read, told apart by their content."""

import math
from collections.abc import Iterator
from datetime import date

import msgspec

from libs.contracts.unreadable import UNREADABLE
from libs.providers.families import family_of
from libs.routing.priors import Board, Priors, load_priors
from libs.routing.tasks import TASKS

Z_LIMIT = 10.0  # No model stands ten standard deviations from the others: that is a score on another scale.


class TableError(ValueError):
    """The table cannot be used: *faults* says of each which field it is in and how to mend it."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = faults


def read_table(content: bytes) -> Priors:
    """Return the table in JSON *content*; raises `TableError` with everything that is wrong with it."""
    try:
        table = msgspec.json.decode(content, type=Priors)
    except UNREADABLE as error:
        raise TableError([str(error)]) from error
    faults = list(_faults(table))
    if faults:
        raise TableError(faults)
    return table


class InForce:
    """The table in force as a process last read it: decoded once for each content, the shipped one where none is loaded."""

    def __init__(self) -> None:
        self._raw: bytes | None = None
        self._table = load_priors()

    @property
    def table(self) -> Priors:
        """Return the table."""
        return self._table

    def take(self, raw: bytes | None) -> Priors:
        """Return the table that the stored *raw* stands for: the very object until the content changes. Raises `TableError`."""
        if raw != self._raw:
            self._table = load_priors() if raw is None else read_table(raw)
            self._raw = raw
        return self._table


def _faults(table: Priors) -> Iterator[str]:
    yield from _date_faults("built_on", table.built_on)
    if not table.boards:
        yield "boards: name at least one: nobody can judge scores of unknown origin"
    for index, board in enumerate(table.boards):
        yield from _board_faults(f"boards[{index}]", board)
    if not table.families:
        yield "families: name at least one"
    for name in table.families:
        yield from _family_faults(f"families.{name}", name, table)
    for line, family in table.lines.items():
        if family not in table.families:
            yield f"lines.{line}: {family!r} is no family of the table"
    for field in ("price_slope", "price_intercept"):
        yield from _z_faults(field, getattr(table, field))


def _board_faults(here: str, board: Board) -> Iterator[str]:
    if not board.name or not board.source:
        yield f"{here}: name and source have to say where the scores are from"
    yield from _date_faults(f"{here}.first_date", board.first_date)
    yield from _date_faults(f"{here}.last_date", board.last_date)
    if board.first_date > board.last_date:
        yield f"{here}.last_date: lies before first_date"
    yield from (f"{here}.tasks: there is no task {task!r}" for task in board.tasks if task not in TASKS)


def _family_faults(here: str, name: str, table: Priors) -> Iterator[str]:
    composite = table.families[name]
    if family_of(name) != name:
        yield f"{here}: no model would find it: call it {family_of(name)!r}"
    if not 1 <= composite.boards <= len(table.boards):
        yield f"{here}.boards: has to be from 1 to {len(table.boards)}, the boards of the table"
    yield from _z_faults(f"{here}.overall", composite.overall)
    for task, z in composite.tasks.items():
        if task not in TASKS:
            yield f"{here}.tasks: there is no task {task!r}"
        yield from _z_faults(f"{here}.tasks.{task}", z)
    if composite.standard_errors is not msgspec.UNSET:
        for task, error in composite.standard_errors.items():
            yield from _error_faults(f"{here}.standard_errors.{task}", error, ranked=task in composite.tasks)


def _error_faults(here: str, error: float, *, ranked: bool) -> Iterator[str]:
    if not ranked:
        yield f"{here}: belongs to no score in tasks"
    if not 0.0 <= error <= Z_LIMIT:
        yield f"{here}: has to be a standard error from 0 to {Z_LIMIT:g}, not {error:g}"


def _z_faults(here: str, z: float) -> Iterator[str]:
    if not (math.isfinite(z) and abs(z) <= Z_LIMIT):
        yield f"{here}: has to be a z-score from {-Z_LIMIT:g} to {Z_LIMIT:g}, not {z:g}"


def _date_faults(here: str, text: str) -> Iterator[str]:
    try:
        date.fromisoformat(text)
    except ValueError:
        yield f"{here}: has to be a date as 2026-11-22, not {text!r}"
