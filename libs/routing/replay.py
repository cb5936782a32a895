"""Making a logged decision again, from its own record and the weights it names."""

from collections.abc import Mapping

import msgspec

from libs.contracts.events import Decision, DecisionInputs, SourceWeights, WeightsPublished
from libs.contracts.state import POOL, OptimizationGates, RoutingPolicy, RoutingRule, TenantPolicy
from libs.providers.catalogue import Model, Price
from libs.providers.families import family_of
from libs.routing.candidates import Field, Models, Requirements, RoutingRequest
from libs.routing.plans import Plan, choose, plan_on
from libs.routing.priors import DAY0, Priors, day0
from libs.routing.selection import seed_of
from libs.routing.snapshots import effective


class UnreplayableError(Exception):
    """The decision cannot be made again; the message says what is missing."""


class Past(msgspec.Struct, frozen=True, kw_only=True):
    """What replays share: the shipped benchmarks, and the catalogue that says to which family a model belongs."""

    priors: Priors
    models: Models = {}


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """One field of a decision that came out otherwise."""

    field: str
    logged: object
    replayed: object


def snapshot_ids(decision: Decision) -> tuple[str, ...]:
    """Return the `WeightsPublished` events that a replay needs; raises `UnreplayableError`."""
    inputs = inputs_of(decision)
    return tuple(name for name in (inputs.snapshot_id, inputs.base_id) if name is not None and not _is_day0(name))


def inputs_of(decision: Decision) -> DecisionInputs:
    """Return what the decision was made from; raises `UnreplayableError` for a record of before it was kept."""
    if decision.inputs is None:
        raise UnreplayableError("the record holds no inputs")
    return decision.inputs


def replay(
    decision: Decision, tenant: str, session_id: str, snapshots: Mapping[str, WeightsPublished], past: Past
) -> Decision:
    """
    Make *decision* again, with the candidates and constraints that it records; *snapshots* are by event id.

    Raises `UnreplayableError`. The answer equals the record bit for bit, on the same processor architecture and numpy.
    """
    request = request_of(decision, tenant, session_id)
    plan = planned(decision, request, snapshots, past)
    return choose(plan, request, seed=seed_of(tenant, session_id, decision.task))


def planned(
    decision: Decision,
    request: RoutingRequest,
    snapshots: Mapping[str, WeightsPublished],
    past: Past,
    *,
    sources: SourceWeights | None = None,
) -> Plan:
    """
    Return the plan of *request* on the logged candidates.

    Another request than the logged one, or other *sources*, ask what would have been.
    """
    field = field_of(decision, past.models)
    weights = _weights(inputs_of(decision), field.models, snapshots, past.priors)
    return plan_on(field, request, weights if sources is None else msgspec.structs.replace(weights, weights=sources))


def request_of(decision: Decision, tenant: str, session_id: str) -> RoutingRequest:
    """Return the request that led to *decision*, as far as it matters once the candidates are known."""
    inputs = inputs_of(decision)
    routing = RoutingPolicy(
        cost_weight=inputs.cost_weight,
        latency_weight=inputs.latency_weight,
        exploration_floor=inputs.exploration_floor,
    )
    return RoutingRequest(
        tenant=tenant,
        session_id=session_id,
        task=decision.task,
        policy=TenantPolicy(tenant=tenant, default_model=inputs.default_model, routing=routing),
        requirements=Requirements(context_tokens=inputs.context_tokens),
        requested=inputs.requested,
        rule=None if decision.rule_id is None else RoutingRule(rule_id=decision.rule_id, name=""),
        pinned=inputs.pinned,
        in_tool_loop=inputs.in_tool_loop,
        expected_output_tokens=inputs.expected_output_tokens,
        task_by=inputs.task_by,
        gates=OptimizationGates(stage=decision.stage, canary_share=float(inputs.trial)),
    )


def field_of(decision: Decision, models: Models) -> Field:
    """Return the candidates as they were, at the prices of then."""
    inputs = inputs_of(decision)
    return Field(
        strategy=decision.strategy,
        models=tuple(_model(item.model, item.provider, inputs, models) for item in decision.candidates),
        filtered=decision.filtered,
        not_shortlisted=decision.not_shortlisted,
        shares=inputs.shares,
    )


def differences(logged: Decision, again: Decision) -> tuple[Difference, ...]:
    """Return the fields in which two decisions differ, compared as they are written."""
    return tuple(
        Difference(field=name, logged=getattr(logged, name), replayed=getattr(again, name))
        for name in Decision.__struct_fields__
        if msgspec.json.encode(getattr(logged, name)) != msgspec.json.encode(getattr(again, name))
    )


def _is_day0(name: str) -> bool:
    """Say whether the event is what benchmarks alone say, which no log holds."""
    return name.partition(":")[0] == DAY0


def _model(name: str, provider: str, inputs: DecisionInputs, models: Models) -> Model:
    known = models.get(name)
    price = inputs.prices.get(name)
    return Model(
        id=name,
        provider=provider,
        upstream_id=name,
        family=family_of(name) if known is None else known.family,
        price=None if price is None else _price(*price),
    )


def _price(fresh_input: float, cache_read: float, output: float) -> Price:
    return Price(fresh_input=fresh_input, cache_read=cache_read, cache_write=fresh_input, output=output)


def _weights(
    inputs: DecisionInputs, models: tuple[Model, ...], snapshots: Mapping[str, WeightsPublished], priors: Priors
) -> WeightsPublished:
    benchmarks = day0(priors, models, now_ms=0)
    for name in (inputs.snapshot_id, inputs.base_id):
        if name is not None and _is_day0(name) and name != benchmarks.event_id:
            raise UnreplayableError(f"benchmarks {name} are not those at hand, {benchmarks.event_id}")
    own = _snapshot(inputs.snapshot_id, snapshots)
    if own is not None and own.scope == POOL:
        return effective(None, own, benchmarks)
    return effective(own, _snapshot(inputs.base_id, snapshots), benchmarks)


def _snapshot(name: str | None, snapshots: Mapping[str, WeightsPublished]) -> WeightsPublished | None:
    if name is None or _is_day0(name):
        return None
    found = snapshots.get(name)
    if found is None:
        raise UnreplayableError(f"weights {name} are not in the log")
    return found
