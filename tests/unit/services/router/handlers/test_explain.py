"""A dry run decides as the gateway would, tells all of it, and has no effect."""

from typing import Any

import pytest

from libs.contracts.events import FirewallVerdict, WeightsPublished
from libs.contracts.state import POOL, FirewallPolicy, RoutingRule, RuleTarget, SessionState, TenantPolicy
from libs.routing.phases import TABLE
from libs.routing.shapes import load_head
from services.router.domain.changes import change
from services.router.domain.entities import Entity, Place, Ref, StoredKey, ref_to, rule_ref
from tests.unit.services.router.serving import Client

EXPLAIN = "/v1/routing/explain"
CHAT = {"model": "auto", "messages": [{"role": "user", "content": "Prove that 2 is prime."}]}
HOSTILE = FirewallVerdict(action="block", score=0.99, category="prompt_injection")


async def put_in_force(client: Client, entity: Entity, ref: Ref | None = None) -> None:
    fact = change(ref or ref_to(entity), before=None, after=entity, actor="test", now_ms=1, event_id="x")
    await client.world.read_model.apply(fact, Place(log="log", offset=0))


async def explained(client: Client, body: Any = CHAT, **options: Any) -> dict[str, Any]:
    answer = await client.ask("POST", EXPLAIN, body, **options)
    assert 200 == answer.status, answer.raw
    return answer.body


async def test_auto_chooses_among_the_candidates_and_tells_all(client: Client):
    body = await explained(client)
    assert ("allow", None, "day0", "feedback_driven") == tuple(
        body[key] for key in ("firewall_decision", "routing_rule_id", "phase", "strategy")
    )
    assert {"provider": "mock", "model": body["winner"]} == body["would_select"]
    assert body["winner"] in body["reasoning"]
    assert "would serve" in body["reasoning"]
    assert {"small", "large", "blind"} == {candidate["model"] for candidate in body["candidates"]}
    assert sorted(body["fallbacks"]) == sorted({"small", "large", "blind"} - {body["winner"]})


async def test_the_same_question_has_the_same_answer_and_nothing_is_written(client: Client):
    before = dict(client.world.read_model.book)
    assert await explained(client) == await explained(client)
    assert (before, []) == (client.world.read_model.book, client.world.log.changes)


async def test_an_envelope_with_headers_is_the_flat_body_with_those_headers(client: Client):
    flat = await explained(client, CHAT, headers={"Floopy-Session-Id": "s9"})
    enveloped = await explained(client, {"request": CHAT, "headers": {"floopy-SESSION-id": "s9"}})
    assert flat == enveloped
    assert "s9" == flat["session_id"]


@pytest.mark.parametrize(
    ("fields", "session"),
    [({"metadata": {"session_id": "m"}, "prompt_cache_key": "p"}, "m"), ({"prompt_cache_key": "p"}, "p")],
)
async def test_the_session_is_found_in_the_body_too(client: Client, fields: dict[str, Any], session: str):
    assert session == (await explained(client, CHAT | fields))["session_id"]


async def test_a_session_keeps_its_model(client: Client):
    for kept in ("small", "large"):
        client.world.live.sessions["s9"] = SessionState(pins={"math": kept})
        body = await explained(client, CHAT, headers={"floopy-session-id": "s9", "floopy-task": "math"})
        assert (kept, True) == (body["winner"], body["pinned"])


async def test_tools_need_a_model_that_calls_them(client: Client):
    body = await explained(client, CHAT | {"tools": [{"type": "function", "function": {"name": "bash"}}]})
    assert [("blind", "tools")] == [(item["model"], item["constraint"]) for item in body["filtered"]]


async def test_nobody_left_is_an_answer_with_the_reason(client: Client):
    tools = {"tools": [{"type": "function", "function": {"name": "bash"}}]}
    await put_in_force(client, TenantPolicy(tenant="acme", candidates=("blind",)))
    body = await explained(client, CHAT | tools)
    assert (None, "allow", True) == (body["would_select"], body["firewall_decision"], "blind" in body["reasoning"])


async def test_a_plain_model_is_passed_through(client: Client):
    body = await explained(client, CHAT | {"model": "large"})
    assert ("passthrough", "large") == (body["strategy"], body["winner"])


async def test_a_rule_is_found_by_name_or_by_the_key_it_is_attached_to(client: Client):
    rule = RoutingRule(rule_id="r1", name="chain", strategy="fallback", targets=(RuleTarget(model="large"),))
    await put_in_force(client, rule, rule_ref("acme", "r1"))
    by_name = await explained(client, CHAT | {"model": "rule:chain"})
    assert ("r1", "large") == (by_name["routing_rule_id"], by_name["winner"])
    await put_in_force(client, StoredKey(key_id="ci", tenant="acme", secret_sha256="a" * 64, rule_id="r1"))
    assert "r1" == (await explained(client))["routing_rule_id"]


async def test_the_tenants_weights_go_before_the_pools(client: Client):
    def published(scope: str, version: int) -> WeightsPublished:
        return WeightsPublished(
            event_id=scope, scope=scope, version=version, published_at_ms=1, phase="nps", weights=TABLE["nps"]
        )

    client.world.live.published = {POOL: published(POOL, 3)}
    assert 3 == (await explained(client))["snapshot_version"]
    client.world.live.published["acme"] = published("acme", 5)
    assert 5 == (await explained(client))["snapshot_version"]


async def test_a_threat_is_not_routed(client: Client):
    client.world.firewall.verdict = HOSTILE
    body = await explained(client)
    assert (None, "block_input", True) == (
        body["would_select"],
        body["firewall_decision"],
        "prompt_injection" in body["reasoning"],
    )


@pytest.mark.parametrize(
    ("policy", "header", "expected"),
    [
        (FirewallPolicy(mode="flag"), None, "flag"),
        (FirewallPolicy(mode="off"), None, "off"),
        (FirewallPolicy(mode="off"), "true", "block"),
        (FirewallPolicy(mode="block"), "false", "block"),
        (FirewallPolicy(mode="flag"), "false", "off"),
    ],
    ids=str,
)
async def test_the_firewall_acts_as_the_policy_says(
    client: Client, policy: FirewallPolicy, header: str | None, expected: str
):
    client.world.firewall.verdict = HOSTILE
    await put_in_force(client, TenantPolicy(tenant="acme", firewall=policy))
    headers = {"floopy-llm-security-enabled": header} if header else {}
    assert expected == (await explained(client, CHAT, headers=headers))["firewall"]["action"]


@pytest.mark.parametrize(("on_failure", "decision"), [("open", "allow"), ("closed", "block_input")])
async def test_a_firewall_that_fails_does_as_the_policy_says(client: Client, on_failure: Any, decision: str):
    client.world.firewall.verdict = None
    await put_in_force(client, TenantPolicy(tenant="acme", firewall=FirewallPolicy(on_failure=on_failure)))
    assert decision == (await explained(client))["firewall_decision"]


@pytest.mark.parametrize(
    ("body", "headers", "param"),
    [
        (b"{", {}, None),
        ({"messages": CHAT["messages"]}, {}, "model"),
        ({"model": "auto"}, {}, "messages"),
        (CHAT | {"messages": []}, {}, "messages"),
        (CHAT | {"model": "gpt-9"}, {}, "model"),
        (CHAT | {"model": "rule:none"}, {}, "model"),
        (CHAT | {"model": "small,auto"}, {}, "model"),
        (CHAT, {"floopy-provider": "nobody"}, "floopy-provider"),
        (CHAT, {"floopy-task": "No Task"}, "floopy-task"),
        (CHAT, {"floopy-session-id": "x" * 300}, "session_id"),
    ],
    ids=str,
)
async def test_a_question_that_cannot_be_answered_names_the_field(
    client: Client, body: Any, headers: dict[str, str], param: str | None
):
    assert (400, "BAD_REQUEST", param) == (await client.ask("POST", EXPLAIN, body, headers=headers)).error


async def test_gates_are_explained_as_they_would_decide(client: Client):
    policy = TenantPolicy(tenant="acme", default_model="large")
    await put_in_force(client, policy)
    await client.ask("PUT", "/v1/optimization/constraints", {"require_shadow_before_live": True})
    body = await explained(client)
    assert ("large", "shadow", True) == (body["winner"], body["stage"], body["shadowed"] is not None)
    await client.ask("PUT", "/v1/optimization/constraints", {"min_samples_before_promotion": 5, "canary_share": 0})
    body = await explained(client)
    assert {"min_samples_before_promotion"} == {item["constraint"] for item in body["filtered"]}
    assert "large" == body["winner"]


async def test_the_head_that_told_the_task_is_named(client: Client):
    assert load_head().version == (await explained(client))["inputs"]["task_by"]
    named = await explained(client, CHAT, headers={"floopy-task": "math"})
    assert ("math", "client") == (named["task"], named["inputs"]["task_by"])
