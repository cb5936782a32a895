"""From a declared policy to orders: which entity should become what, given what it is."""

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence

import msgspec

from libs.contracts.bootstrap import Bootstrap
from libs.contracts.state import OptimizationGates, RoutingRule, TenantPolicy
from libs.redaction.secret_shapes import KINDS
from services.router.domain import gates, keys, rules
from services.router.domain.changes import same
from services.router.domain.entities import Decide, Entity, Ref, StoredKey, gates_ref, ref_to, rule_ref
from services.router.domain.refusals import RefusedError


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """One declared entity: *decide* says what it should become; *name* is what people call it."""

    ref: Ref
    name: str
    decide: Decide


def wishes(
    declared: Bootstrap,
    *,
    env: Mapping[str, str],
    existing_rules: Callable[[str], Sequence[RoutingRule]],
    models: Container[str] | None,
    now_ms: int,
) -> Iterator[Wish]:
    """
    Yield every declared entity in an order in which each can rely on those before.

    *existing_rules* answers a tenant's rules in force: a declared rule takes over the one of its name. Raises `BootstrapError`
    where *env* lacks a secret. What is not declared is left alone.
    """
    entities: list[Entity] = [*declared.plans, *declared.tenants]
    for entity in entities:
        yield Wish(ref=ref_to(entity), name=ref_to(entity).entity_id, decide=_always(entity, models))
    taken_over: dict[str | None, str] = {}
    for item in declared.rules:
        rule = item.rule()
        known = next((r.rule_id for r in existing_rules(item.tenant) if r.name == rule.name), rule.rule_id)
        taken_over[rule.rule_id] = known
        rule = msgspec.structs.replace(rule, rule_id=known)
        yield Wish(ref=rule_ref(item.tenant, known), name=rule.name, decide=_rule(rule, models, now_ms))
    for of_route in declared.gates:
        route_id = of_route.route_id(declared.rules)
        ref = gates_ref(of_route.tenant, taken_over.get(route_id, route_id))
        yield Wish(ref=ref, name=of_route.route, decide=_gates(of_route.gates(), now_ms))
    for key in declared.keys:
        attached = msgspec.structs.replace(key.api_key(), rule_id=taken_over.get(key.rule_id, key.rule_id))
        wanted = keys.stored(attached, key.digest(env))
        yield Wish(ref=ref_to(wanted), name=key.key_id, decide=_key(wanted))


def _always(entity: Entity, models: Container[str] | None) -> Decide:
    def decide(_before: Entity | None, _others: Sequence[Entity]) -> Entity:
        unknown = [name for name in _priced(entity) if models is not None and name not in models]
        if unknown:
            raise RefusedError(f"prices: there is no model {unknown[0]!r}: GET /v1/models lists them", param="prices")
        strange = [kind for kind in _allowed(entity) if kind not in KINDS]
        if strange:
            field = "firewall.output_allowed"
            raise RefusedError(f"{field}: {strange[0]!r} is no kind of secret: {', '.join(KINDS)}", param=field)
        return entity

    return decide


def _priced(entity: Entity) -> Iterable[str]:
    return entity.prices if isinstance(entity, TenantPolicy) else ()


def _allowed(entity: Entity) -> Iterable[str]:
    return entity.firewall.output_allowed if isinstance(entity, TenantPolicy) else ()


def _key(wanted: StoredKey) -> Decide:
    return lambda before, _others: keys.brought_in_line(wanted, before if isinstance(before, StoredKey) else None)


def _gates(wanted: OptimizationGates, now_ms: int) -> Decide:
    return lambda before, _others: gates.placed(
        wanted, before if isinstance(before, OptimizationGates) else None, now_ms=now_ms
    )


def _rule(wanted: RoutingRule, models: Container[str] | None, now_ms: int) -> Decide:
    def decide(before: Entity | None, others: Sequence[Entity]) -> RoutingRule:
        rules.check(wanted, others=[r for r in others if isinstance(r, RoutingRule)], models=models)
        if not isinstance(before, RoutingRule):
            return msgspec.structs.replace(wanted, created_at_ms=now_ms, updated_at_ms=now_ms)
        kept = _with_pin_of(wanted, before)
        return before if same(kept, before) else msgspec.structs.replace(kept, updated_at_ms=now_ms)

    return decide


def _with_pin_of(wanted: RoutingRule, before: RoutingRule) -> RoutingRule:
    """Keep a pin that was set by hand: it answers a regression that the file knows nothing of."""
    pinned = wanted.pinned or before.pinned
    return msgspec.structs.replace(
        wanted,
        pinned=pinned,
        pin_reason=wanted.pin_reason or before.pin_reason if pinned else None,
        default_model=wanted.default_model or before.default_model if before.pinned else wanted.default_model,
        created_at_ms=before.created_at_ms,
        updated_at_ms=before.updated_at_ms,
    )
