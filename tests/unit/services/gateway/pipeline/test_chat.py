"""One request through all stages: what the client gets, what was sent upstream, and the one event that tells of it."""

import json

import pytest

from libs.contracts.events import Usage
from libs.contracts.state import Plan, RoutingRule, RuleTarget, SessionState
from libs.scanner.verdict import Verdict
from services.gateway.domain.caller import Caller
from tests.unit.services.gateway.fakes import (
    REQUEST_ID,
    Reply,
    World,
    caller,
    completion,
    error_of,
    whole,
)

HOSTILE = Verdict(action="block", score=0.9, category="prompt_injection", role="user")
ODD = Verdict(action="flag", score=0.6, category="prompt_injection", role="user")


async def test_a_plain_answer_passes_unmodified_and_is_accounted():
    world = World()
    answer = await world.ask(headers={"floopy-session-id": "s"})
    headers = dict(answer.headers)
    assert (200, completion("from a")) == (answer.status, answer.body)
    assert {
        "content-type": "application/json",
        "x-request-id": REQUEST_ID,
        "Floopy-Cache": "off",
        "Floopy-Session-Id": "s",
        "Floopy-Provider": "p",
        "Floopy-Model": "a",
    } == headers
    event = world.event
    assert ("ok", 200, "a", "p", "chatcmpl-1", "s", False) == (
        event.status,
        event.http_status,
        event.model,
        event.provider,
        event.completion_id,
        event.session_id,
        event.session_inferred,
    )
    assert (Usage(fresh_input=10, output=5), False, 60) == (event.usage, event.usage_estimated, event.cost_micro_usd)
    assert ["ok"] == [attempt.outcome for attempt in event.attempts]
    assert event.decision.strategy == "passthrough"
    assert 0 < event.timings.upstream_us < event.timings.total_us


async def test_an_answer_without_usage_is_estimated_and_says_so():
    world = World()
    world.upstream.script["a"] = [whole(usage=None)]
    await world.ask()
    assert world.event.usage_estimated
    assert world.event.usage.fresh_input > 0


@pytest.mark.parametrize("secret", [None, "", "sk-2", "x" * 1000])
async def test_without_a_valid_key_nothing_happens(secret):
    world = World()
    answer = await world.ask(secret=secret)
    assert (401, "INVALID_API_KEY") == (answer.status, error_of(answer)["code"])
    assert ([], []) == (world.events.requests, world.upstream.calls)


async def test_a_key_that_nobody_can_check_may_be_tried_again():
    world = World()
    world.directory.away = True
    answer = await world.ask()
    assert (503, "1") == (answer.status, dict(answer.headers)["retry-after"])


async def test_a_key_without_write_permission_is_refused():
    world = World(who=caller(key={"permissions": ("read",)}))
    assert (403, "FORBIDDEN") == ((answer := await world.ask()).status, error_of(answer)["code"])
    assert world.event.status == "rejected"


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"model": "nobody"}, "model"),
        ({"model": "rule:none"}, "model"),
        ({"messages": []}, "messages"),
        ({"raw": b"{"}, None),
    ],
)
async def test_a_request_that_cannot_be_served_is_refused_and_recorded(body, param):
    world = World()
    answer = await world.ask(**body)
    assert (400, "BAD_REQUEST", param) == (answer.status, (error := error_of(answer))["code"], error["param"])
    assert ("rejected", 400, "BAD_REQUEST") == (world.event.status, world.event.http_status, world.event.error_code)
    assert world.event.session_id
    assert world.upstream.calls == []


async def test_over_the_rate_limit_a_request_is_refused_and_not_charged_to_the_month():
    world = World(who=caller(key={"requests_per_minute": 1}))
    first, second = await world.ask(), await world.ask()
    assert "0" == dict(first.headers)["x-ratelimit-remaining-requests"]
    assert (429, "RATE_LIMIT_EXCEEDED") == (second.status, error_of(second)["code"])
    assert dict(second.headers)["retry-after"].isdigit()
    assert [1] == list(world.hot_state.months.values())
    assert ["ok", "rejected"] == [event.status for event in world.events.requests]


async def test_over_the_months_quota_a_request_is_refused():
    world = World(who=caller(plan=Plan(name="starter", monthly_requests=0)))
    assert "MONTHLY_LIMIT_EXCEEDED" == error_of(await world.ask())["code"]
    assert [0] == list(world.hot_state.months.values())


class TestRouting:
    async def test_auto_decides_and_keeps_the_session_on_its_model(self):
        world = World()
        first = await world.ask(model="auto", headers={"floopy-session-id": "s"})
        served = dict(first.headers)["Floopy-Model"]
        assert "feedback_driven" == world.event.decision.strategy
        assert {"chat": served} == world.hot_state.sessions["t", "s"].pins
        other = next(name for name in ("a", "b", "c") if name != served)
        world.hot_state.sessions["t", "s"] = SessionState(pins={"chat": other, "coding": "a"})
        second = await world.ask(model="auto", headers={"floopy-session-id": "s"})
        assert other == dict(second.headers)["Floopy-Model"]
        assert world.events.requests[1].decision.pinned
        assert {"chat": other, "coding": "a"} == world.hot_state.sessions["t", "s"].pins

    async def test_a_plain_model_is_passed_through_and_pins_nothing(self):
        world = World()
        await world.ask(model="b", headers={"floopy-session-id": "s"})
        assert (["b"], {}) == (world.upstream.models, world.hot_state.sessions)

    async def test_a_model_may_be_named_with_its_provider(self):
        world = World()
        assert "c" == dict((await world.ask(model="q/c")).headers)["Floopy-Model"]

    @pytest.mark.parametrize("body", [{"model": "rule:mine"}, {"model": "a"}, {"model": "auto"}])
    async def test_a_named_or_attached_rule_decides(self, body):
        rule = RoutingRule(rule_id="r", name="mine", strategy="fallback", targets=(RuleTarget(model="c"),))
        who = caller(key={"rule_id": "r"})
        world = World(who=Caller(key=who.key, policy=who.policy, plan=who.plan, rules={"r": rule}))
        await world.ask(**body)
        assert (["c"], "r") == (world.upstream.models, world.event.decision.rule_id)

    async def test_a_task_can_be_pinned_by_header(self):
        world = World()
        await world.ask(model="auto", headers={"floopy-task": "coding"})
        assert "coding" == world.event.decision.task
        assert 400 == (await world.ask(model="auto", headers={"floopy-task": "made-up"})).status

    async def test_a_tenant_may_have_tasks_of_its_own(self):
        world = World(who=caller(tasks=("triage",)))
        await world.ask(model="auto", headers={"floopy-task": "triage"})
        assert "triage" == world.event.decision.task

    async def test_a_provider_can_be_asked_for(self):
        world = World()
        await world.ask(model="auto", headers={"floopy-provider": "q"})
        assert ["c"] == world.upstream.models
        answer = await world.ask(model="auto", headers={"floopy-provider": "nobody"})
        assert (400, "floopy-provider") == (answer.status, error_of(answer)["param"])

    async def test_candidates_of_the_policy_bound_auto(self):
        world = World(who=caller(candidates=("b",)))
        await world.ask(model="auto")
        assert ["b"] == world.upstream.models

    async def test_a_model_whose_circuit_is_open_is_left_out(self):
        world = World(who=caller(candidates=("a", "b")))
        for _ in range(3):
            world.breaker.failed("a", 0.0)
        await world.ask(model="auto")
        assert ["b"] == world.upstream.models
        assert [("a", "unavailable")] == [(item.model, item.constraint) for item in world.event.decision.filtered]


class TestMemory:
    async def test_a_given_session_is_its_keys_last_and_its_ids_lead_to_it(self):
        world = World()
        await world.ask(headers={"floopy-session-id": "s"})
        assert {("t", "k"): "s"} == world.hot_state.last_sessions
        assert {("t", REQUEST_ID): "s", ("t", "chatcmpl-1"): "s"} == world.hot_state.aliases

    async def test_an_inferred_session_is_never_the_last_one(self):
        world = World()
        await world.ask()
        assert {} == world.hot_state.last_sessions
        assert world.event.session_inferred

    async def test_bodies_are_recorded_only_where_the_plan_keeps_them(self):
        world = World(who=caller(plan=Plan(name="p", transcript_retention_days=2)))
        await world.ask()
        (transcript,) = world.events.transcripts
        assert completion("from a").decode() == transcript.response
        assert 2 * 86_400_000 == transcript.expires_at_ms - transcript.created_at_ms
        without = World()
        await without.ask()
        assert [] == without.events.transcripts

    async def test_an_address_in_a_session_id_is_nowhere(self):
        world = World(who=caller(plan=Plan(name="p", transcript_retention_days=2)))
        answer = await world.ask(headers={"floopy-session-id": "chat with jane@example.com"})
        name = world.event.session_id
        assert name.startswith("chat with [email:")
        assert ("Floopy-Session-Id", name) in answer.headers
        assert [name] == [transcript.session_id for transcript in world.events.transcripts]
        assert {name} == set(world.hot_state.aliases.values())

    async def test_the_record_is_left_before_the_answer_and_the_rest_once_it_is_on_its_way(self):
        waiting = []
        world = World(defer=waiting.append)
        await world.ask(headers={"floopy-session-id": "s"})
        assert "ok" == world.event.status
        assert {} == world.hot_state.aliases
        for remember in waiting:
            remember()
        assert {("t", REQUEST_ID): "s", ("t", "chatcmpl-1"): "s"} == world.hot_state.aliases

    @pytest.mark.parametrize("body", [{}, {"model": "nobody-knows-it"}])
    async def test_an_answer_is_out_only_when_its_record_is_durable(self, body: dict[str, str]):
        world = World()
        await world.ask(**body)
        assert [world.event] == world.events.durable


async def test_what_nobody_expected_is_a_500_and_still_recorded():
    world = World()
    world.upstream.script["a"] = [ZeroDivisionError()]
    answer = await world.ask()
    assert (500, "INTERNAL_ERROR") == (answer.status, error_of(answer)["code"])
    assert ("failed", 500) == (world.event.status, world.event.http_status)


async def test_the_gateways_own_fields_are_taken_out_before_the_provider_sees_them():
    world = World()
    await world.ask(inputs={"name": "x"}, temperature=0.5)
    assert (["messages", "model", "temperature"], 0.5) == (
        sorted(world.upstream.calls[0][1]),
        world.upstream.calls[0][1]["temperature"],
    )


async def test_a_refusal_of_the_provider_reaches_the_client_in_the_providers_words():
    world = World()
    body = json.dumps({"error": {"message": "too long", "code": "context_length_exceeded"}}).encode()
    world.upstream.script["a"] = [Reply(status=400, parts=[body])]
    answer = await world.ask()
    assert (400, "too long", "context_length_exceeded") == (
        answer.status,
        (error := error_of(answer))["message"],
        error["code"],
    )
    assert ("rejected", 400) == (world.event.status, world.event.http_status)
