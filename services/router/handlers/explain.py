"""`POST /v1/routing/explain`: what would be decided now, and why; calls no provider and writes nothing."""

import msgspec
from aiohttp import web

from libs.contracts.events import FirewallVerdict
from libs.contracts.state import POOL, ApiKey, RoutingRule, TenantPolicy
from libs.contracts.unreadable import UNREADABLE
from libs.routing.priors import day0
from libs.routing.shapes import load_head
from libs.routing.snapshots import effective
from libs.runtime.identity import Identity
from libs.runtime.server import json_response, parse_json
from services.router.domain import dry_run, provenance
from services.router.domain.dry_run import ExplainedChat, Question, Situation
from services.router.domain.entities import Ref
from services.router.handlers.wiring import (
    CATALOGUE,
    CONTROL,
    FIREWALL,
    LIVE_STATE,
    METRICS,
    SESSION_NAMES,
    STAMPS,
    caller,
)
from services.router.ports import ScanUnavailableError


def add_routes(app: web.Application) -> None:
    """Serve the dry run."""
    app.router.add_post("/v1/routing/explain", explain)


async def explain(request: web.Request) -> web.Response:
    """Answer which model a chat request would go to."""
    identity = caller(request, "read")
    question = _question(await request.read(), request)
    session_id = request.app[SESSION_NAMES].of(identity.tenant, dry_run.session_of(question, identity.key_id))
    situation = await _situation(request, identity, session_id)
    verdict = await _verdict(request, question, situation.policy)
    request.app[METRICS].explained.labels(firewall=verdict.action).inc()
    answer = dry_run.answer(question, situation, request.app[CATALOGUE], session_id=session_id, verdict=verdict)
    return json_response(answer | {"benchmarks": provenance.name_of(await request.app[LIVE_STATE].benchmarks())})


def _question(body: bytes, request: web.Request) -> Question:
    try:
        return dry_run.read_question(body, request.headers)
    except UNREADABLE:
        # Read once more for the error that names the field.
        parse_json(body, ExplainedChat)
        raise


async def _situation(request: web.Request, identity: Identity, session_id: str) -> Situation:
    control, live, tenant = request.app[CONTROL], request.app[LIVE_STATE], identity.tenant
    key = await control.find(Ref(tenant=tenant, kind="key", entity_id=identity.key_id))
    policy = await control.policy(tenant)
    benchmarks = day0(
        await live.benchmarks(), request.app[CATALOGUE].models.values(), now_ms=request.app[STAMPS].clock_ms()
    )
    pool = await live.weights(POOL) if policy.consume else None
    return Situation(
        key=key if isinstance(key, ApiKey) else ApiKey(key_id=identity.key_id, tenant=tenant),
        policy=policy,
        rules=[rule for rule in await control.all(tenant, "rule") if isinstance(rule, RoutingRule)],
        weights=effective(await live.weights(tenant), pool, benchmarks),
        session=await live.session(tenant, session_id),
        gates=await control.gates(tenant),
        head=load_head(),
    )


async def _verdict(request: web.Request, question: Question, policy: TenantPolicy) -> FirewallVerdict:
    mode = dry_run.firewall_mode(question, policy.firewall)
    if mode == "off":
        return FirewallVerdict(action="off")
    try:
        found = await request.app[FIREWALL].scan(question.body, policy.firewall)
    except ScanUnavailableError:
        return FirewallVerdict(action="block" if policy.firewall.on_failure == "closed" else "error")
    return msgspec.structs.replace(found, action="flag") if (found.action, mode) == ("block", "flag") else found
