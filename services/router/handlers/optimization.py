"""Optimisation over HTTP: the gates of a route, and whether routing has helped."""

from collections.abc import Sequence

from aiohttp import web

from libs.contracts.state import ANY_ROUTE, OptimizationGates
from libs.runtime.server import json_response, read_json
from services.router.domain import gates, verification
from services.router.domain.entities import Entity, gates_ref, rule_ref
from services.router.domain.queries import refuse_unknown
from services.router.domain.refusals import AbsentError
from services.router.handlers.wiring import CONTROL, OUTCOME_LOG, STAMPS, caller, order
from services.router.watch import route_of

DEFAULT_WINDOW = "7d"


def add_routes(app: web.Application) -> None:
    """Serve gates and verification."""
    app.router.add_get("/v1/optimization/constraints", read_gates)
    app.router.add_put("/v1/optimization/constraints", replace_gates)
    app.router.add_get("/v1/optimization/verification", verify)


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


async def _route(request: web.Request, tenant: str) -> str:
    """Return the route that is asked about; raises `AbsentError` for a rule that the tenant does not have."""
    route_id = gates.read_route(request.query)
    if route_id != ANY_ROUTE and await request.app[CONTROL].find(rule_ref(tenant, route_id)) is None:
        raise AbsentError
    return route_id
