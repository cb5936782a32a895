"""Routing rules: what a client may write, what makes a rule valid, how it is shown, pinned and unpinned."""

import re
from collections.abc import Container, Iterable
from typing import Any, Literal, TypeAlias

import msgspec

from libs.contracts.bootstrap import RULE_NAME_PATTERN
from libs.contracts.events import Strategy
from libs.contracts.state import ApiKey, RoutingRule, RuleTarget, TenantPolicy
from services.router.domain.changes import version_of
from services.router.domain.refusals import ConflictError, RefusedError

MAX_TARGETS = 64
MAX_WEIGHT = 1e6  # Far from where a sum of weights would overflow.
MAX_REASON_CHARS = 500
READ_ONLY = ("rule_id", "pinned", "pin_reason", "created_at_ms", "updated_at_ms")
RuleStrategy: TypeAlias = Literal[
    "feedback_driven", "smart_cost", "latency_based", "weighted", "round_robin", "fallback"
]


class Target(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One model of a rule, as a client writes it."""

    model: str
    weight: float = 1.0


class Draft(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    A rule as a client writes it: POST creates it, PUT replaces all of it.

    The read-only fields of a rule that was read may come back with it, unchanged; *version* then guards against the changes of
    others.
    """

    name: str
    strategy: RuleStrategy = "feedback_driven"
    targets: tuple[Target, ...] = ()
    default_model: str | None = None
    enabled: bool = True
    version: str | None = None
    rule_id: str | msgspec.UnsetType = msgspec.UNSET
    pinned: bool | msgspec.UnsetType = msgspec.UNSET
    pin_reason: str | msgspec.UnsetType | None = msgspec.UNSET
    created_at_ms: int | msgspec.UnsetType = msgspec.UNSET
    updated_at_ms: int | msgspec.UnsetType = msgspec.UNSET


class PinOrder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of a pin or unpin: why it happens."""

    reason: str | None = None


def create(draft: Draft, *, rule_id: str, now_ms: int) -> RoutingRule:
    """Return the new rule; raises `RefusedError` where *draft* sets what only the router sets."""
    for field in READ_ONLY:
        if getattr(draft, field) is not msgspec.UNSET:
            raise RefusedError(f"{field} is set by the router: leave it out", param=field)
    return _written(draft, RoutingRule(rule_id=rule_id, name=draft.name, created_at_ms=now_ms), now_ms)


def replace(current: RoutingRule, draft: Draft, *, now_ms: int) -> RoutingRule:
    """Return *current* with everything that a client may write taken from *draft*."""
    for field in READ_ONLY:
        given = getattr(draft, field)
        if given is not msgspec.UNSET and given != getattr(current, field):
            fix = "use /pin or /unpin" if field.startswith("pin") else "leave it out or send it back unchanged"
            raise RefusedError(f"{field} cannot be written: {fix}", param=field)
    return _written(draft, current, now_ms)


def check(
    rule: RoutingRule,
    *,
    others: Iterable[RoutingRule],
    models: Container[str] | None,
    policy: TenantPolicy | None = None,
) -> None:
    """
    Raise `RefusedError` unless *rule* can be used next to the tenant's *others*.

    *models* None leaves open which models exist.
    """
    if not re.fullmatch(RULE_NAME_PATTERN, rule.name):
        raise RefusedError("name: use 1 to 63 letters, digits, dots, dashes and underscores", param="name")
    if any(other.name == rule.name and other.rule_id != rule.rule_id for other in others):
        raise RefusedError(f"name: there is a rule {rule.name!r} already: choose another", param="name")
    if rule.strategy == "passthrough":
        raise RefusedError("strategy: passthrough is what happens without a rule: choose another", param="strategy")
    _check_targets(rule, models, policy)
    if rule.default_model is not None and models is not None and rule.default_model not in models:
        raise _unknown_model("default_model", rule.default_model)


def expect_version(rule: RoutingRule, version: str | None) -> None:
    """Raise `ConflictError` when the caller speaks of another *version* than the one in force."""
    if version not in (None, "*") and version != version_of(rule):
        raise ConflictError("the rule was changed since it was read: read it again and repeat the change")


def pin(rule: RoutingRule, policy: TenantPolicy, *, reason: str | None, now_ms: int) -> RoutingRule:
    """Return *rule* sending everything to its default model, which is the tenant's where it has none of its own."""
    default = rule.default_model or policy.default_model
    if default is None:
        raise RefusedError("the rule has no default model to be pinned to: set default_model", param="default_model")
    _check_reason(reason)
    return msgspec.structs.replace(rule, pinned=True, pin_reason=reason, default_model=default, updated_at_ms=now_ms)


def unpin(rule: RoutingRule, *, reason: str | None, now_ms: int) -> RoutingRule:
    """Return *rule* choosing again."""
    _check_reason(reason)
    return msgspec.structs.replace(rule, pinned=False, pin_reason=None, updated_at_ms=now_ms)


def expect_unattached(rule_id: str, keys: Iterable[ApiKey]) -> None:
    """Raise `ConflictError` when a live key routes by the rule: it would silently stop to."""
    attached = sorted(key.key_id for key in keys if key.rule_id == rule_id and not key.revoked)
    if attached:
        raise ConflictError(f"the rule is attached to {', '.join(attached)}: attach another rule first")


def view(rule: RoutingRule) -> dict[str, Any]:
    """Return *rule* as clients see it: its fields and its version."""
    return {**msgspec.to_builtins(rule), "version": version_of(rule)}


def _written(draft: Draft, onto: RoutingRule, now_ms: int) -> RoutingRule:
    strategy: Strategy = draft.strategy
    return msgspec.structs.replace(
        onto,
        name=draft.name,
        strategy=strategy,
        targets=tuple(RuleTarget(model=target.model, weight=target.weight) for target in draft.targets),
        default_model=draft.default_model,
        enabled=draft.enabled,
        updated_at_ms=now_ms,
    )


def _check_targets(rule: RoutingRule, models: Container[str] | None, policy: TenantPolicy | None) -> None:
    if len(rule.targets) > MAX_TARGETS:
        raise RefusedError(f"targets: at most {MAX_TARGETS} models", param="targets")
    seen: set[str] = set()
    for index, target in enumerate(rule.targets):
        where = f"targets[{index}]"
        if models is not None and target.model not in models:
            raise _unknown_model(f"{where}.model", target.model)
        if target.model in seen:
            raise RefusedError(f"{where}.model: {target.model!r} is there twice: remove one", param=f"{where}.model")
        if policy is not None and policy.candidates and target.model not in policy.candidates:
            raise RefusedError(
                f"{where}.model: {target.model!r} is not among the tenant's candidates", param=f"{where}.model"
            )
        if not 0 <= target.weight <= MAX_WEIGHT:
            raise RefusedError(f"{where}.weight: use 0 to {MAX_WEIGHT:.0f}", param=f"{where}.weight")
        seen.add(target.model)
    if rule.strategy == "weighted" and not any(target.weight > 0 for target in rule.targets):
        raise RefusedError("targets: strategy weighted needs a target with a weight above 0", param="targets")
    if rule.strategy == "fallback" and not rule.targets:
        raise RefusedError("targets: strategy fallback needs at least one target, in order", param="targets")


def _unknown_model(field: str, model: str) -> RefusedError:
    return RefusedError(f"{field}: there is no model {model!r}: GET /v1/models lists them", param=field)


def _check_reason(reason: str | None) -> None:
    if reason is not None and len(reason) > MAX_REASON_CHARS:
        raise RefusedError(f"reason: at most {MAX_REASON_CHARS} characters", param="reason")
