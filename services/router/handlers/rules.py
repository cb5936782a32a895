"""Routing rules over HTTP: list, create, read, replace, delete, pin and unpin."""

from collections.abc import Callable, Sequence
from typing import TypeAlias

from aiohttp import web

from libs.contracts.state import ApiKey, RoutingRule
from libs.runtime.server import json_response, read_json
from services.router.control import Outcome
from services.router.domain import rules
from services.router.domain.entities import Decide, Entity, Ref, rule_ref
from services.router.domain.refusals import AbsentError
from services.router.handlers.wiring import CATALOGUE, CONTROL, STAMPS, caller, order

Amend: TypeAlias = Callable[[RoutingRule, Sequence[RoutingRule]], RoutingRule | None]
MAX_ID_CHARS = 128


def add_routes(app: web.Application) -> None:
    """Serve the rules."""
    app.router.add_get("/v1/routing/rules", list_rules)
    app.router.add_post("/v1/routing/rules", create_rule)
    app.router.add_get("/v1/routing/rules/{rule_id}", read_rule)
    app.router.add_put("/v1/routing/rules/{rule_id}", replace_rule)
    app.router.add_delete("/v1/routing/rules/{rule_id}", delete_rule)
    app.router.add_post("/v1/routing/rules/{rule_id}/pin", pin_rule)
    app.router.add_post("/v1/routing/rules/{rule_id}/unpin", unpin_rule)


async def list_rules(request: web.Request) -> web.Response:
    """Answer the tenant's rules by name."""
    tenant = caller(request, "read").tenant
    found = sorted(_rules(await request.app[CONTROL].all(tenant, "rule")), key=lambda rule: rule.name)
    return json_response({"object": "list", "data": [rules.view(rule) for rule in found]})


async def read_rule(request: web.Request) -> web.Response:
    """Answer one rule, with its version as ETag."""
    found = await request.app[CONTROL].find(_ref(request, caller(request, "read").tenant))
    return _answer(_existing(found))


async def create_rule(request: web.Request) -> web.Response:
    """Create a rule; 400 names the field that is wrong."""
    identity = caller(request, "write")
    draft = await read_json(request, rules.Draft)
    rule = rules.create(draft, rule_id=request.app[STAMPS].new_id(), now_ms=request.app[STAMPS].clock_ms())
    policy = await request.app[CONTROL].policy(identity.tenant)

    def decide(_before: Entity | None, others: Sequence[Entity]) -> RoutingRule:
        rules.check(rule, others=_rules(others), models=request.app[CATALOGUE].models, policy=policy)
        return rule

    ref = rule_ref(identity.tenant, rule.rule_id)
    return _changed(await request.app[CONTROL].write(ref, decide, order(request, identity)), status=201)


async def replace_rule(request: web.Request) -> web.Response:
    """Replace all that a client may write of a rule; 409 when `If-Match` or `version` name an older state."""
    tenant = caller(request, "write").tenant
    draft = await read_json(request, rules.Draft)
    policy = await request.app[CONTROL].policy(tenant)

    def amend(current: RoutingRule, others: Sequence[RoutingRule]) -> RoutingRule:
        rules.expect_version(current, draft.version)
        changed = rules.replace(current, draft, now_ms=request.app[STAMPS].clock_ms())
        rules.check(changed, others=others, models=request.app[CATALOGUE].models, policy=policy)
        return changed

    return _changed(await _amend(request, amend))


async def delete_rule(request: web.Request) -> web.Response:
    """Delete a rule that no live key is attached to."""
    tenant = caller(request, "write").tenant
    keys = [key for key in await request.app[CONTROL].all(tenant, "key") if isinstance(key, ApiKey)]

    def amend(current: RoutingRule, _others: Sequence[RoutingRule]) -> None:
        rules.expect_unattached(current.rule_id, keys)

    outcome = await _amend(request, amend)
    body = {"rule_id": request.match_info["rule_id"], "deleted": True}
    return json_response(body, status=200 if outcome.visible else 202)


async def pin_rule(request: web.Request) -> web.Response:
    """Send everything of a rule to its default model."""
    wanted = await _pin_order(request)
    policy = await request.app[CONTROL].policy(caller(request, "write").tenant)

    def amend(current: RoutingRule, _others: Sequence[RoutingRule]) -> RoutingRule:
        return rules.pin(current, policy, reason=wanted.reason, now_ms=request.app[STAMPS].clock_ms())

    return _changed(await _amend(request, amend, reason=wanted.reason))


async def unpin_rule(request: web.Request) -> web.Response:
    """Let a rule choose again."""
    wanted = await _pin_order(request)

    def amend(current: RoutingRule, _others: Sequence[RoutingRule]) -> RoutingRule:
        return rules.unpin(current, reason=wanted.reason, now_ms=request.app[STAMPS].clock_ms())

    return _changed(await _amend(request, amend, reason=wanted.reason))


async def _amend(request: web.Request, amend: Amend, *, reason: str | None = None) -> Outcome:
    identity = caller(request, "write")
    version = request.headers.get("If-Match", "*").removeprefix("W/").strip('"')

    def decide(before: Entity | None, others: Sequence[Entity]) -> RoutingRule | None:
        current = _existing(before)
        rules.expect_version(current, version)
        return amend(current, _rules(others))

    decision: Decide = decide
    return await request.app[CONTROL].write(
        _ref(request, identity.tenant), decision, order(request, identity, reason=reason)
    )


async def _pin_order(request: web.Request) -> rules.PinOrder:
    return await read_json(request, rules.PinOrder) if request.can_read_body else rules.PinOrder()


def _ref(request: web.Request, tenant: str) -> Ref:
    rule_id = request.match_info["rule_id"]
    if len(rule_id) > MAX_ID_CHARS:
        raise AbsentError
    return rule_ref(tenant, rule_id)


def _existing(entity: Entity | None) -> RoutingRule:
    if not isinstance(entity, RoutingRule):
        raise AbsentError
    return entity


def _rules(entities: Sequence[Entity]) -> list[RoutingRule]:
    return [entity for entity in entities if isinstance(entity, RoutingRule)]


def _changed(outcome: Outcome, *, status: int = 200) -> web.Response:
    return _answer(_existing(outcome.entity), status=status if outcome.visible else 202)


def _answer(rule: RoutingRule, *, status: int = 200) -> web.Response:
    view = rules.view(rule)
    return json_response(view, status=status, headers={"ETag": f'"{view["version"]}"'})
