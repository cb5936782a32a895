"""The entities of the routing policy: what kinds there are, how each is stored and which is which."""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import msgspec

from libs.contracts.events import ControlChanged, ControlKind
from libs.contracts.state import BENCHMARKS, PLATFORM, ApiKey, OptimizationGates, Plan, RoutingRule, TenantPolicy
from libs.routing.priors import Priors


class StoredKey(ApiKey, frozen=True, kw_only=True):
    """An API key as the control log keeps it; *previous_sha256* is the secret that this change takes out of force."""

    secret_sha256: str
    previous_sha256: str | None = None


Entity: TypeAlias = StoredKey | Plan | TenantPolicy | RoutingRule | OptimizationGates | Priors

Decide: TypeAlias = Callable[[Entity | None, Sequence[Entity]], Entity | None]
"""What an entity should become, given what it is and all entities of its kind; None deletes it."""

TYPES: dict[ControlKind, type[Entity]] = {
    "key": StoredKey,
    "plan": Plan,
    "policy": TenantPolicy,
    "rule": RoutingRule,
    "gates": OptimizationGates,
    "priors": Priors,
}


class Ref(msgspec.Struct, frozen=True, kw_only=True):
    """Which entity: unique over all tenants."""

    tenant: str
    kind: ControlKind
    entity_id: str


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where in the control log a change stands; *log* is new whenever the log was born again or the read model was lost."""

    log: str
    offset: int


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """The newest change of an entity, as the read model knows it; also of deleted ones, whose change has no value."""

    change: ControlChanged
    place: Place

    def supersedes(self, place: Place) -> bool:
        """Say whether a change at *place* comes too late to matter."""
        return self.place.log == place.log and self.place.offset > place.offset


def ref_of(change: ControlChanged) -> Ref:
    """Return which entity *change* is about."""
    return Ref(tenant=change.tenant, kind=change.kind, entity_id=change.entity_id)


def ref_to(entity: Entity) -> Ref:
    """Return where *entity* belongs; rules and gates do not know their tenant, so they have no place here."""
    match entity:
        case StoredKey():
            return Ref(tenant=entity.tenant, kind="key", entity_id=entity.key_id)
        case Plan():
            return Ref(tenant=PLATFORM, kind="plan", entity_id=entity.name)
        case TenantPolicy():
            return Ref(tenant=entity.tenant, kind="policy", entity_id=entity.tenant)
        case Priors():
            return Ref(tenant=PLATFORM, kind="priors", entity_id=BENCHMARKS)
        case RoutingRule() | OptimizationGates():
            raise TypeError("rules and gates belong to the tenant they were read for")


def rule_ref(tenant: str, rule_id: str) -> Ref:
    """Return where a rule of *tenant* belongs."""
    return Ref(tenant=tenant, kind="rule", entity_id=rule_id)


def gates_ref(tenant: str, route_id: str) -> Ref:
    """Return where the gates of a route of *tenant* belong."""
    return Ref(tenant=tenant, kind="gates", entity_id=route_id)


def entity_of(kind: ControlKind, value: dict[str, Any]) -> Entity:
    """Return *value* as its type; raises `msgspec.ValidationError`."""
    return msgspec.convert(value, TYPES[kind])
