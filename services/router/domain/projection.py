"""What a change of the routing policy writes where gateways read it."""

import msgspec

from libs.contracts import state
from libs.contracts.events import ControlChanged
from libs.contracts.state import ApiKey, Changed
from services.router.domain.entities import StoredKey, entity_of


class Projection(msgspec.Struct, frozen=True, kw_only=True):
    """
    Writes that bring the gateways' state in line with one change; doing them twice changes nothing.

    *values* are keys to set, or to delete where None; *fields* the same for `(hash, field)`. *changed* is announced after.
    """

    values: dict[str, bytes | None] = {}
    fields: dict[tuple[str, str], bytes | None] = {}
    changed: Changed


def project(change: ControlChanged, *, version: int) -> Projection:
    """Return the writes of *change*; raises `msgspec.ValidationError` where its value is not of its kind."""
    changed = Changed(kind=change.kind, tenant=change.tenant, entity_id=change.entity_id, version=version)
    entity = None if change.value is None else entity_of(change.kind, change.value)
    encoded = None if entity is None else msgspec.json.encode(entity)
    match change.kind:
        case "rule":
            return Projection(fields={(state.rules(change.tenant), change.entity_id): encoded}, changed=changed)
        case "gates":
            return Projection(fields={(state.gates(change.tenant), change.entity_id): encoded}, changed=changed)
        case "policy":
            return Projection(values={state.policy(change.tenant): encoded}, changed=changed)
        case "plan":
            return Projection(values={state.plan(change.entity_id): encoded}, changed=changed)
        case "priors":
            return Projection(values={state.priors(): encoded}, changed=changed)
        case "key":
            if not isinstance(entity, StoredKey):
                raise msgspec.ValidationError("a key is revoked, never deleted: its secret has to be known")
            return Projection(values=_key_values(entity), changed=changed)


def _key_values(key: StoredKey) -> dict[str, bytes | None]:
    shown = ApiKey(**{name: getattr(key, name) for name in ApiKey.__struct_fields__})
    values: dict[str, bytes | None] = {state.api_key(key.secret_sha256): msgspec.json.encode(shown)}
    if key.previous_sha256 is not None:
        values[state.api_key(key.previous_sha256)] = None
    return values
