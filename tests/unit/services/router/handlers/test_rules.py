"""Rules over HTTP: what is written is in force, what is wrong is named, what is foreign does not exist."""

import asyncio
from typing import Any

import pytest

from libs.contracts.state import TenantPolicy
from services.router.domain.changes import change
from services.router.domain.entities import Entity, Place, StoredKey, ref_to
from tests.unit.services.router.serving import Client

RULE = {"name": "cheap", "strategy": "smart_cost", "targets": [{"model": "small"}, {"model": "large", "weight": 2}]}
RULES = "/v1/routing/rules"


async def created(client: Client, **fields: Any) -> dict[str, Any]:
    answer = await client.ask("POST", RULES, RULE | fields)
    assert 201 == answer.status, answer.raw
    return answer.body


async def put_in_force(client: Client, entity: Entity) -> None:
    fact = change(ref_to(entity), before=None, after=entity, actor="test", now_ms=1, event_id="x")
    await client.world.read_model.apply(fact, Place(log="log", offset=0))


async def test_a_created_rule_is_read_listed_and_deleted(client: Client):
    rule = await created(client)
    path = f"{RULES}/{rule['rule_id']}"
    assert rule == (await client.ask("GET", path)).body
    assert [rule] == (await client.ask("GET", RULES)).body["data"]
    assert {"rule_id": rule["rule_id"], "deleted": True} == (await client.ask("DELETE", path)).body
    assert (404, "not_found", None) == (await client.ask("GET", path)).error


async def test_an_unknown_rule_and_a_foreign_one_are_the_same_answer(client: Client):
    rule = await created(client)
    for method, suffix in (("GET", ""), ("PUT", ""), ("DELETE", ""), ("POST", "/pin"), ("POST", "/unpin")):
        body = RULE if method == "PUT" else None
        foreign = await client.ask(method, f"{RULES}/{rule['rule_id']}{suffix}", body, tenant="other")
        unknown = await client.ask(method, f"{RULES}/nothing{suffix}", body, tenant="other")
        assert (404, foreign.raw) == (foreign.status, unknown.raw)
        ids = {"X-Request-ID", "Date"}
        assert {k: v for k, v in foreign.headers.items() if k not in ids} == {
            k: v for k, v in unknown.headers.items() if k not in ids
        }


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"name": ""}, "name"),
        ({"name": "rule:x"}, "name"),
        ({"strategy": "cheapest"}, "strategy"),
        ({"targets": [{"model": "gpt-9"}]}, "targets[0].model"),
        ({"targets": [{"model": "small"}, {"model": "small"}]}, "targets[1].model"),
        ({"targets": [{"model": "small", "weight": -1}]}, "targets[0].weight"),
        ({"targets": [{"model": "small", "weight": 1e308}]}, "targets[0].weight"),
        ({"targets": [{"model": "small", "weight": "1"}]}, "targets[0].weight"),
        ({"strategy": "weighted", "targets": [{"model": "small", "weight": 0}]}, "targets"),
        ({"strategy": "fallback", "targets": []}, "targets"),
        ({"default_model": "gpt-9"}, "default_model"),
        ({"pinned": True}, "pinned"),
        ({"rule_id": "mine"}, "rule_id"),
        ({"enabled": "yes"}, "enabled"),
    ],
    ids=str,
)
async def test_a_wrong_field_is_named(client: Client, fields: dict[str, Any], param: str):
    assert (400, "BAD_REQUEST", param) == (await client.ask("POST", RULES, RULE | fields)).error
    assert [] == client.world.log.changes


async def test_an_unknown_field_is_named(client: Client):
    answer = await client.ask("POST", RULES, RULE | {"stratgey": "weighted"})
    assert (400, True) == (answer.status, "stratgey" in answer.body["error"]["message"])


async def test_a_name_is_the_tenants_own(client: Client):
    await created(client)
    assert (400, "BAD_REQUEST", "name") == (await client.ask("POST", RULES, RULE)).error
    assert 201 == (await client.ask("POST", RULES, RULE, tenant="other")).status


async def test_a_target_has_to_be_among_the_tenants_candidates(client: Client):
    await put_in_force(client, TenantPolicy(tenant="acme", candidates=("small",)))
    assert (400, "BAD_REQUEST", "targets[1].model") == (await client.ask("POST", RULES, RULE)).error


async def test_replacing_keeps_what_only_the_router_sets(client: Client):
    rule = await created(client)
    path = f"{RULES}/{rule['rule_id']}"
    changed = (await client.ask("PUT", path, rule | {"enabled": False})).body
    same = {key: changed[key] for key in changed if key not in ("enabled", "updated_at_ms", "version")}
    assert same == {key: rule[key] for key in same}
    assert (False, True) == (changed["enabled"], changed["updated_at_ms"] > rule["updated_at_ms"])


@pytest.mark.parametrize("where", ["If-Match", "version"])
async def test_a_change_of_an_older_version_is_a_conflict(client: Client, where: str):
    rule = await created(client)
    path = f"{RULES}/{rule['rule_id']}"
    assert 200 == (await client.ask("PUT", path, RULE | {"enabled": False})).status
    body = RULE | ({"version": rule["version"]} if where == "version" else {})
    headers = {"If-Match": f'"{rule["version"]}"'} if where == "If-Match" else {}
    assert (409, "CONFLICT", None) == (await client.ask("PUT", path, body, headers=headers)).error
    assert 2 == len(client.world.log.changes)


async def test_of_two_writers_of_one_version_one_wins(client: Client):
    rule = await created(client)
    path, headers = f"{RULES}/{rule['rule_id']}", {"If-Match": f'"{rule["version"]}"'}
    writes = (client.ask("PUT", path, RULE | {"name": name}, headers=headers) for name in ("one", "two"))
    assert [200, 409] == sorted(answer.status for answer in await asyncio.gather(*writes))


async def test_a_pin_sends_everything_to_the_default_model_and_says_why(client: Client):
    rule = await created(client, default_model="small")
    path = f"{RULES}/{rule['rule_id']}"
    pinned = (await client.ask("POST", f"{path}/pin", {"reason": "regression"})).body
    assert (True, "regression") == (pinned["pinned"], pinned["pin_reason"])
    assert "regression" == client.world.log.changes[-1].reason
    unpinned = (await client.ask("POST", f"{path}/unpin")).body
    assert (False, None) == (unpinned["pinned"], unpinned["pin_reason"])


async def test_a_pin_needs_a_default_model(client: Client):
    rule = await created(client)
    path = f"{RULES}/{rule['rule_id']}/pin"
    assert (400, "BAD_REQUEST", "default_model") == (await client.ask("POST", path)).error
    await put_in_force(client, TenantPolicy(tenant="acme", default_model="large"))
    assert "large" == (await client.ask("POST", path)).body["default_model"]


async def test_a_rule_that_a_live_key_routes_by_cannot_be_deleted(client: Client):
    rule = await created(client)
    key = StoredKey(key_id="app", tenant="acme", secret_sha256="a" * 64, rule_id=rule["rule_id"])
    await put_in_force(client, key)
    answer = await client.ask("DELETE", f"{RULES}/{rule['rule_id']}")
    assert (409, True) == (answer.status, "app" in answer.body["error"]["message"])


async def test_reading_needs_read_and_writing_needs_write(client: Client):
    rule = await created(client)
    assert (403, "FORBIDDEN", None) == (await client.ask("POST", RULES, RULE, permissions=("read",))).error
    path = f"{RULES}/{rule['rule_id']}"
    assert (403, "FORBIDDEN", None) == (await client.ask("GET", path, permissions=("write",))).error


async def test_nobody_is_served_without_the_gateways_signature(client: Client):
    answer = await client.ask("GET", RULES, headers={"x-agent-gateway-identity": "v1.forged.forged"})
    assert (401, "INVALID_API_KEY", None) == answer.error


async def test_a_change_that_cannot_be_stored_is_503_and_one_not_yet_in_force_202(client: Client):
    client.world.log.lagging = True
    assert 202 == (await client.ask("POST", RULES, RULE)).status
    client.world.log.down = True
    answer = await client.ask("POST", RULES, RULE | {"name": "other"})
    assert (503, "SERVICE_UNAVAILABLE", None) == answer.error
    assert "2" == answer.headers["Retry-After"]


async def test_without_the_read_model_it_is_503_and_counted(client: Client):
    client.world.read_model.down = True
    assert (503, "SERVICE_UNAVAILABLE", None) == (await client.ask("GET", RULES)).error
    metrics = (await client.ask("GET", "/metrics")).raw.decode()
    assert 'router_unavailable_total{backend="policy"} 1.0' in metrics


async def test_a_policy_that_somebody_else_is_changing_is_a_conflict_to_be_repeated(client: Client):
    client.world.read_model.busy = True
    answer = await client.ask("POST", RULES, RULE)
    assert ((409, "CONFLICT", None), "1") == (answer.error, answer.headers["Retry-After"])
