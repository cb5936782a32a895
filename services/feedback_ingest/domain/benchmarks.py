"""Another Day-0 table as a change of the control log, and what it changes for a reader."""

import hashlib
import uuid
from collections.abc import Iterator
from typing import Any

import msgspec

from libs.contracts.events import ControlChanged
from libs.contracts.state import BENCHMARKS, PLATFORM
from libs.routing.priors import Priors, load_priors

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
    yield from _named("new", after.families.keys() - before.families.keys())
    yield from _named("gone", before.families.keys() - after.families.keys())


def _named(what: str, families: set[str]) -> Iterator[str]:
    if families:
        more = f" and {len(families) - SHOWN} more" if len(families) > SHOWN else ""
        yield f"  {what}: {', '.join(sorted(families)[:SHOWN])}{more}"


def _plain(table: Priors) -> dict[str, Any] | None:
    return None if table == load_priors() else msgspec.json.decode(msgspec.json.encode(table))
