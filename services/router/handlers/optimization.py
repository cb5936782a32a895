"""Optimisation over HTTP: a route's gates, whether routing has helped, what another policy were worth, what Day 0 rests on."""

from collections.abc import Sequence

import msgspec
from aiohttp import web

from libs.contracts.state import ANY_ROUTE, OptimizationGates
from libs.routing.replay import Past
from libs.runtime.server import json_response, read_json
from services.router import what_if
from services.router.domain import gates, provenance, verification
from services.router.domain.counterfactual import Alternative, check
from services.router.domain.entities import Entity, gates_ref, rule_ref
from services.router.domain.queries import read_export, refuse_unknown
from services.router.domain.refusals import AbsentError, RefusedError
from services.router.handlers.wiring import (
    AUDIT_LOG,
    CATALOGUE,
    CONTROL,
    LIMITS,
    LIVE_STATE,
    OUTCOME_LOG,
    STAMPS,
    caller,
    order,
)
from services.router.watch import route_of
from services.router.what_if import Question

DEFAULT_WINDOW = "7d"
MIN_PRECISION = 0.001


class WhatIf(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"begin": "from", "end": "to"}
):
    """The body of a what-if: a time range (RFC 3339), another policy, and how precise the answer has to be."""

    begin: str
    end: str
    policy: Alternative
    precision: float = 0.05


def add_routes(app: web.Application) -> None:
    """Serve gates, verification, estimates and the provenance of Day 0."""
    app.router.add_get("/v1/optimization/constraints", read_gates)
    app.router.add_put("/v1/optimization/constraints", replace_gates)
    app.router.add_get("/v1/optimization/verification", verify)
    app.router.add_post("/v1/optimization/what-if", evaluate)
    app.router.add_get("/v1/optimization/benchmarks", benchmarks)


async def read_gates(request: web.Request) -> web.Response:
    """Answer the gates of a route; of those that hold for every route where `route_id` is not given."""
    refuse_unknown(request.query, ("route_id",))
    route_id = await _route(request, caller(request, "read").tenant)
    found = await request.app[CONTROL].gates(caller(request, "read").tenant)
    return json_response(gates.view(route_id, found.get(route_id)))


async def replace_gates(request: web.Request) -> web.Response:
    """Replace all gates of a route; 400 names the field that is wrong, 202 says that they are not in force yet."""
    identity = caller(request, "write")
    refuse_unknown(request.query, ("route_id",))
    route_id = await _route(request, identity.tenant)
    draft = await read_json(request, gates.Draft)
    now_ms = request.app[STAMPS].clock_ms()

    def decide(before: Entity | None, _others: Sequence[Entity]) -> OptimizationGates:
        return gates.written(draft, before if isinstance(before, OptimizationGates) else None, now_ms=now_ms)

    outcome = await request.app[CONTROL].write(gates_ref(identity.tenant, route_id), decide, order(request, identity))
    in_force = outcome.entity if isinstance(outcome.entity, OptimizationGates) else None
    return json_response(gates.view(route_id, in_force), status=200 if outcome.visible else 202)


async def verify(request: web.Request) -> web.Response:
    """Answer whether the sessions that routing led away from the baseline came out as well as the others."""
    tenant = caller(request, "read").tenant
    refuse_unknown(request.query, ("route_id", "window"))
    route_id = await _route(request, tenant)
    window = request.query.get("window", DEFAULT_WINDOW)
    since_ms = request.app[STAMPS].clock_ms() - gates.window_ms(window)
    found = await request.app[CONTROL].gates(tenant)
    in_force = found.get(route_id) or found.get(ANY_ROUTE) or OptimizationGates()
    arms = await request.app[OUTCOME_LOG].arms(route_of(tenant, route_id, found), since_ms=since_ms)
    return json_response(verification.view(route_id, window, verification.verify(arms, in_force)))


async def evaluate(request: web.Request) -> web.Response:
    """Answer what another policy would have been worth on the tenant's rated traffic, or why the log cannot tell."""
    tenant = caller(request, "read").tenant
    asked = await read_json(request, WhatIf)
    question = question_of(tenant, asked)
    requests = await request.app[AUDIT_LOG].count(question.filters)
    most = request.app[LIMITS].what_if_requests
    if requests > most:
        raise RefusedError(f"from: the range holds {requests} requests, at most {most} are read here", param="from")
    past = Past(priors=await request.app[LIVE_STATE].benchmarks(), models=request.app[CATALOGUE].models)
    return json_response(what_if.view(question, await what_if.what_if(request.app[AUDIT_LOG], question, past)))


async def benchmarks(request: web.Request) -> web.Response:
    """Answer what Day 0 rests on: boards with sources and dates, and what they say of each model of the catalogue."""
    caller(request, "read")
    refuse_unknown(request.query, ())
    table = await request.app[LIVE_STATE].benchmarks()
    return json_response(provenance.view(table, request.app[CATALOGUE].models.values()))


def question_of(tenant: str, asked: WhatIf) -> Question:
    """Return the question; raises `RefusedError` naming the field at fault."""
    check(asked.policy)
    if not MIN_PRECISION <= asked.precision <= 1.0:
        raise RefusedError(f"precision: has to be from {MIN_PRECISION:g} to 1 score points", param="precision")
    filters = read_export(tenant, {"from": asked.begin, "to": asked.end}).filters
    return Question(filters=filters, alternative=asked.policy, precision=asked.precision)


async def _route(request: web.Request, tenant: str) -> str:
    """Return the route that is asked about; raises `AbsentError` for a rule that the tenant does not have."""
    route_id = gates.read_route(request.query)
    if route_id != ANY_ROUTE and await request.app[CONTROL].find(rule_ref(tenant, route_id)) is None:
        raise AbsentError
    return route_id
