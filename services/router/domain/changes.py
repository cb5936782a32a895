"""Changes of the routing policy: canonical form, hashes and versions of what changed."""

import hashlib
from typing import Any

import msgspec

from libs.contracts.events import ControlChanged
from services.router.domain.entities import Entity, Ref

VERSION_CHARS = 16


def plain(entity: Entity | None) -> dict[str, Any] | None:
    """Return *entity* as the plain JSON data that a change carries."""
    return None if entity is None else msgspec.json.decode(msgspec.json.encode(entity))


def digest(entity: Entity | None) -> str | None:
    """Return the SHA-256 of the entity's canonical JSON (sorted keys, no spaces); None of nothing."""
    return None if entity is None else hashlib.sha256(msgspec.json.encode(entity, order="sorted")).hexdigest()


def version_of(entity: Entity) -> str:
    """Return what a client sends back in `If-Match`: the start of the entity's digest."""
    return (digest(entity) or "")[:VERSION_CHARS]


def same(one: Entity | None, other: Entity | None) -> bool:
    """Say whether going from *one* to *other* changes nothing."""
    return digest(one) == digest(other)


def change(
    ref: Ref,
    *,
    before: Entity | None,
    after: Entity | None,
    actor: str,
    now_ms: int,
    event_id: str,
    reason: str | None = None,
) -> ControlChanged:
    """Return the fact that the entity at *ref* went from *before* to *after*; None stands for its absence."""
    return ControlChanged(
        event_id=event_id,
        tenant=ref.tenant,
        kind=ref.kind,
        entity_id=ref.entity_id,
        changed_at_ms=now_ms,
        actor=actor,
        value=plain(after),
        before_sha256=digest(before),
        after_sha256=digest(after),
        reason=reason,
    )
