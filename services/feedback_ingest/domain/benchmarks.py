"""Another Day-0 table as a change of the control log, and what it changes for a reader."""

import hashlib
import uuid
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from libs.contracts.events import ControlChanged
from libs.contracts.state import BENCHMARKS, PLATFORM
from libs.providers.families import family_of
from libs.routing.priors import Composite, Priors, load_priors

_EVENT_IDS = uuid.UUID("0f5c1c39-7d55-4a86-9f0e-2b6a4f4c3d21")
SHOWN = 5  # Families that a summary names.


def loaded(before: Priors, after: Priors, *, actor: str, now_ms: int, reason: str | None = None) -> ControlChanged:
    """Return the fact that *after* took the place of *before*; without a value where that is the shipped table."""
    return ControlChanged(
        event_id=str(uuid.uuid5(_EVENT_IDS, f"{now_ms}:{digest(after)}")),
        tenant=PLATFORM,
        kind="priors",
        entity_id=BENCHMARKS,
        changed_at_ms=now_ms,
        actor=actor,
        value=_plain(after),
        before_sha256=digest(before),
        after_sha256=digest(after),
        reason=reason,
    )


def digest(table: Priors) -> str:
    """Return the SHA-256 of the table's canonical JSON."""
    return hashlib.sha256(msgspec.json.encode(table, order="sorted")).hexdigest()


def summary(before: Priors, after: Priors) -> Iterator[str]:
    """Yield the lines that tell an operator what changes."""
    yield f"built on {after.built_on} (before: {before.built_on}), {len(after.families)} families"
    for board in after.boards:
        yield f"  {board.name}: {board.models} models, {board.first_date} to {board.last_date}, {board.source}"
    yield from _tasks(after)
    yield from _named("new", after.families.keys() - before.families.keys())
    yield from _named("gone", before.families.keys() - after.families.keys())


def rows(table: Priors, models: Iterable[str]) -> Iterator[str]:
    """Yield a line per task that boards rank each of *models* on: z-score and standard error."""
    for family in map(family_of, models):
        composite = table.families.get(family)
        if composite is None:
            yield f"  {family}: on no board"
            continue
        errors = _errors(composite)
        for task, z in composite.tasks.items():
            yield f"  {family} on {task}: {z:+.3f} ± {f'{errors[task]:.3f}' if task in errors else 'unknown'}"


def _tasks(table: Priors) -> Iterator[str]:
    found: dict[str, list[float]] = defaultdict(list)
    for composite in table.families.values():
        for task, error in _errors(composite).items():
            found[task].append(error)
    for task, errors in sorted(found.items()):
        yield f"  {task}: {len(errors)} families, standard error {min(errors):.3f} to {max(errors):.3f}"


def _errors(composite: Composite) -> dict[str, float]:
    return {} if composite.standard_errors is msgspec.UNSET else composite.standard_errors


def _named(what: str, families: set[str]) -> Iterator[str]:
    if families:
        more = f" and {len(families) - SHOWN} more" if len(families) > SHOWN else ""
        yield f"  {what}: {', '.join(sorted(families)[:SHOWN])}{more}"


def _plain(table: Priors) -> dict[str, Any] | None:
    return None if table == load_priors() else msgspec.json.decode(msgspec.json.encode(table))
