"""Which models a request may go to, and which constraint removed each of the others."""

from collections.abc import Iterator, Mapping
from typing import TypeAlias

import msgspec

from libs.contracts.events import Filtered, Strategy
from libs.contracts.state import OptimizationGates, RoutingRule, TenantPolicy
from libs.providers.catalogue import Model
from libs.providers.overrides import priced

Models: TypeAlias = Mapping[str, Model]

OPTIMISED: frozenset[Strategy] = frozenset({"feedback_driven", "smart_cost", "latency_based"})
"""Strategies that choose by what was learned; gates hold for these, the others do what an operator or client says."""


class Requirements(msgspec.Struct, frozen=True, kw_only=True):
    """What the request needs of a model; *context_tokens* is the prompt, estimated."""

    context_tokens: int = 0
    tools: bool = False
    vision: bool = False
    json_schema: bool = False


class RoutingRequest(msgspec.Struct, frozen=True, kw_only=True):
    """
    One request as routing sees it.

    *requested* holds the models the client named, in order; empty means `auto`. *rule* goes before *requested*. *pinned* is
    the model that the session was given for this task; *unavailable* are models whose circuit is open; *gates* are those
    of the route, None where there are none; *task_by* is who told the task (`libs.routing.tasks.Told`).
    """

    tenant: str
    session_id: str
    task: str
    policy: TenantPolicy
    requirements: Requirements = Requirements()
    requested: tuple[str, ...] = ()
    rule: RoutingRule | None = None
    pinned: str | None = None
    in_tool_loop: bool = False
    unavailable: frozenset[str] = frozenset()
    expected_output_tokens: int = 500
    gates: OptimizationGates | None = None
    task_by: str = ""

    @property
    def default_model(self) -> str | None:
        """Return the model that an operator calls the default."""
        of_rule = self.rule.default_model if self.rule is not None else None
        return of_rule or self.policy.default_model


class NoCandidateError(Exception):
    """No model is left after the constraints; *filtered* says what removed each."""

    def __init__(self, filtered: tuple[Filtered, ...]) -> None:
        super().__init__("; ".join(f"{item.model}: {item.constraint}" for item in filtered) or "the catalogue is empty")
        self.filtered = filtered


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """The models a decision is made among; *shares* are the weights a rule gives them, *not_shortlisted* counts others."""

    strategy: Strategy
    models: tuple[Model, ...]
    filtered: tuple[Filtered, ...]
    shares: dict[str, float] = {}
    not_shortlisted: int = 0


def field_of(request: RoutingRequest, models: Models) -> Field:
    """
    Return the strategy and the models that pass every constraint, at the tenant's own prices.

    Chains keep their order; otherwise the order is by model id, so that it never depends on how a list was written. Raises
    NoCandidateError.
    """
    strategy, names = _named(request, models)
    default = request.default_model
    if request.gates is not None and strategy in OPTIMISED and default is not None and default in models:
        names = tuple(sorted({*names, default}))  # What gates compare with has to be there.
    rule = request.rule
    filtered = tuple(_filtered(names, models, request))
    removed = {item.model for item in filtered}
    passed = tuple(priced(models[name], request.policy.prices) for name in names if name not in removed)
    if not passed:
        raise NoCandidateError(filtered)
    shares = {target.model: target.weight for target in rule.targets} if rule is not None else {}
    return Field(strategy=strategy, models=passed, filtered=filtered, shares=shares)


def constraint_against(model: Model | None, needs: Requirements, *, available: bool = True) -> str | None:
    """Return the first constraint that *model* fails, None where it may serve; None for a model means it is unknown."""
    if model is None:
        return "unknown_model"
    if not available:
        return "unavailable"
    if needs.context_tokens > model.context_tokens:
        return "context_tokens"
    return next(
        (need for need in ("tools", "vision", "json_schema") if getattr(needs, need) > getattr(model, need)), None
    )


def _named(request: RoutingRequest, models: Models) -> tuple[Strategy, tuple[str, ...]]:
    rule = request.rule
    if rule is not None and rule.enabled:
        return _of_rule(rule, request.policy, models)
    if len(request.requested) == 1:
        return "passthrough", request.requested
    if request.requested:
        return "fallback", tuple(dict.fromkeys(request.requested))
    return "feedback_driven", tuple(sorted(request.policy.candidates or models))


def _of_rule(rule: RoutingRule, policy: TenantPolicy, models: Models) -> tuple[Strategy, tuple[str, ...]]:
    default = rule.default_model or policy.default_model
    if rule.pinned and default is not None:
        return "passthrough", (default,)
    targets = tuple(dict.fromkeys(target.model for target in rule.targets))
    if rule.strategy in {"fallback", "passthrough"} and targets:
        return rule.strategy, targets
    if rule.strategy == "passthrough" and default is not None:
        return "passthrough", (default,)
    return rule.strategy, tuple(sorted(targets or policy.candidates or models))


def _filtered(names: tuple[str, ...], models: Models, request: RoutingRequest) -> Iterator[Filtered]:
    for name in names:
        model = models.get(name)
        constraint = constraint_against(model, request.requirements, available=name not in request.unavailable)
        if constraint is not None:
            yield Filtered(provider=model.provider if model is not None else "", model=name, constraint=constraint)
