"""Gates over HTTP: written as a whole, kept apart per route, moved by the router only; and what outcomes say of a route."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from libs.contracts.state import OptimizationGates, gates
from libs.routing.priors import Composite
from libs.routing.tasks import TASKS
from services.router.handlers.wiring import Limits
from tests.unit.services.router.domain.test_verification import both
from tests.unit.services.router.serving import NOW_MS, Client, serving
from tests.unit.services.router.traffic import OWN, traffic

WHAT_IF = "/v1/optimization/what-if"
RANGE = {"from": "2026-01-01T00:00:00Z", "to": "2026-01-02T00:00:00Z"}
BENCHMARKS = "/v1/optimization/benchmarks"
CONSTRAINTS = "/v1/optimization/constraints"
VERIFICATION = "/v1/optimization/verification"
DAY_MS = 86_400_000


async def rule_id(client: Client, **fields: Any) -> str:
    body = {"name": "cheap", "default_model": "small", **fields}
    return (await client.ask("POST", "/v1/routing/rules", body)).body["rule_id"]


async def test_gates_are_off_until_they_are_written_and_then_in_the_gateways_read_model(client: Client):
    before = (await client.ask("GET", CONSTRAINTS)).body
    assert (None, False, "live", "*") == (
        before["max_regression"],
        before["require_shadow_before_live"],
        before["stage"],
        before["route_id"],
    )
    draft = {"max_regression": {"value": 0.03}, "max_cost_increase": {"value": 0.2, "window": "24h"}}
    written = await client.ask("PUT", CONSTRAINTS, draft)
    assert (200, {"value": 0.03, "window": "7d"}) == (written.status, written.body["max_regression"])
    assert written.body == (await client.ask("GET", CONSTRAINTS)).body
    stored = client.world.read_model.fields[gates("acme"), "*"]
    assert 0.2 == msgspec.json.decode(stored, type=OptimizationGates).max_cost_increase.value


async def test_a_put_replaces_everything_and_what_was_read_may_be_sent_back(client: Client):
    first = (await client.ask("PUT", CONSTRAINTS, {"confidence_threshold": 0.9})).body
    assert first == (await client.ask("PUT", CONSTRAINTS, first)).body
    assert (await client.ask("PUT", CONSTRAINTS, {})).body["confidence_threshold"] is None


async def test_a_route_that_has_to_pass_the_shadow_begins_there_and_no_client_can_skip_it(client: Client):
    shadow = (await client.ask("PUT", CONSTRAINTS, {"require_shadow_before_live": True})).body
    assert ("shadow", NOW_MS) == (shadow["stage"], shadow["stage_since_ms"])
    again = (await client.ask("PUT", CONSTRAINTS, shadow | {"stage": "live"})).body
    assert ("shadow", NOW_MS) == (again["stage"], again["stage_since_ms"])
    assert "live" == (await client.ask("PUT", CONSTRAINTS, {})).body["stage"]


async def test_each_rule_may_have_its_own(client: Client):
    rule = await rule_id(client)
    await client.ask("PUT", f"{CONSTRAINTS}?route_id={rule}", {"max_outcome_variance": 0.01})
    assert (0.01, None) == (
        (await client.ask("GET", f"{CONSTRAINTS}?route_id={rule}")).body["max_outcome_variance"],
        (await client.ask("GET", CONSTRAINTS)).body["max_outcome_variance"],
    )


async def test_an_unknown_rule_and_a_foreign_one_are_the_same_answer(client: Client):
    rule = await rule_id(client)
    for method, path, body in (("GET", CONSTRAINTS, None), ("PUT", CONSTRAINTS, {}), ("GET", VERIFICATION, None)):
        foreign = await client.ask(method, f"{path}?route_id={rule}", body, tenant="other")
        unknown = await client.ask(method, f"{path}?route_id=nothing", body, tenant="other")
        assert (404, foreign.raw) == (foreign.status, unknown.raw)


@pytest.mark.parametrize(
    ("draft", "param"),
    [
        ({"max_regression": {"value": 1.5}}, "max_regression.value"),
        ({"max_regression": {"value": 0.1, "window": "a week"}}, "max_regression.window"),
        ({"max_cost_increase": {"value": -0.1}}, "max_cost_increase.value"),
        ({"confidence_threshold": 2}, "confidence_threshold"),
        ({"min_samples_before_promotion": -1}, "min_samples_before_promotion"),
        ({"canary_share": 1.1}, "canary_share"),
        ({"max_outcome_variance": "low"}, "max_outcome_variance"),
        ({"max_regresion": None}, None),
    ],
)
async def test_what_is_wrong_is_named(client: Client, draft: dict[str, Any], param: str):
    assert (400, "BAD_REQUEST", param) == (await client.ask("PUT", CONSTRAINTS, draft)).error


async def test_reading_needs_read_and_writing_needs_write(client: Client):
    assert 403 == (await client.ask("PUT", CONSTRAINTS, {}, permissions=("read",))).status
    assert 403 == (await client.ask("GET", VERIFICATION, permissions=("write",))).status


async def test_verification_compares_the_routes_own_outcomes_over_the_window(client: Client):
    rule = await rule_id(client)
    client.world.outcomes.found = {rule: both(0.7, 0.6), None: both(0.7, 0.8)}
    fell = (await client.ask("GET", f"{VERIFICATION}?route_id={rule}&window=24h")).body
    assert ("regression_detected", "24h", rule) == (fell["status"], fell["window"], fell["route_id"])
    assert pytest.approx(-0.1) == fell["delta"]["value"]
    rose = (await client.ask("GET", VERIFICATION)).body
    assert ("verified", 200, 200) == (rose["status"], rose["baseline"]["sessions"], rose["routed"]["sessions"])
    (_, day), (_, week) = client.world.outcomes.asked
    assert pytest.approx(6 * DAY_MS, abs=10) == day - week
    empty = (await client.ask("GET", VERIFICATION, tenant="other")).body
    assert ("insufficient_data", None) == (empty["status"], empty["delta"])
    assert (400, "BAD_REQUEST", "window") == (await client.ask("GET", f"{VERIFICATION}?window=year")).error


async def test_what_another_policy_would_have_been_worth(client: Client):
    client.world.audit.events, client.world.audit.given = traffic(300)
    client.world.audit.published = [OWN]
    answer = (await client.ask("POST", WHAT_IF, RANGE | {"policy": {"model": "small"}})).body
    assert (None, {"model": "small"}, 300) == (answer["refused"], answer["policy"], answer["overlap"]["draws"])
    assert answer["dr"]["low"] < 0.55 < answer["dr"]["high"]
    refused = (await client.ask("POST", WHAT_IF, RANGE | {"policy": {"model": "small"}, "precision": 0.001})).body
    assert "are needed for the precision asked for" in refused["refused"]
    assert (None, 300) == (refused["dr"], refused["overlap"]["draws"])


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"policy": {}}, "policy"),
        ({"policy": {"model": "small", "cost_weight": 1}}, "policy"),
        ({"policy": {"cost_weight": -1}}, "policy"),
        ({"policy": {"source_weights": {"session": 0.5}}}, "policy.source_weights"),
        ({"policy": {"model": "small"}, "from": "yesterday"}, "from"),
        ({"policy": {"model": "small"}, "precision": 0}, "precision"),
    ],
)
async def test_what_is_wrong_with_a_what_if_is_named(client: Client, body: dict[str, Any], param: str):
    assert (400, "BAD_REQUEST", param) == (await client.ask("POST", WHAT_IF, RANGE | body)).error


async def test_a_range_too_large_for_an_answer_over_http_is_refused(tmp_path: Path):
    async with serving(tmp_path / "s", Limits(what_if_requests=3)) as client:
        client.world.audit.events, _ = traffic(2)
        assert (400, "BAD_REQUEST", "from") == (
            await client.ask("POST", WHAT_IF, RANGE | {"policy": {"model": "small"}})
        ).error


async def test_what_day_0_rests_on_is_told_with_sources_and_dates(client: Client):
    body = (await client.ask("GET", BENCHMARKS)).body
    assert [board.source for board in client.world.live.table.boards] == [board["source"] for board in body["boards"]]
    assert all(board["first_date"] <= board["last_date"] for board in body["boards"])
    assert {"blind": "price", "large": "price", "small": "price"} == {
        name: model["basis"] for name, model in body["models"].items()
    }
    assert set(TASKS) == body["models"]["small"]["expected"].keys()


async def test_each_expectation_is_told_with_its_standard_error_where_boards_rank_the_model(client: Client):
    known = Composite(overall=0.5, boards=2, tasks={"coding": 1.0, "chat": 0.2}, standard_errors={"coding": 0.5})
    client.world.live.table = msgspec.structs.replace(client.world.live.table, families={"small": known}, lines={})
    models = (await client.ask("GET", BENCHMARKS)).body["models"]
    assert set(TASKS) == models["small"]["standard_error"].keys()
    assert (0.03, None) == (models["small"]["standard_error"]["coding"], models["small"]["standard_error"]["chat"])
    assert {None} == set(models["large"]["standard_error"].values())


async def test_another_table_in_force_is_told_as_another(client: Client):
    before = (await client.ask("GET", BENCHMARKS)).body
    client.world.live.table = msgspec.structs.replace(client.world.live.table, built_on="2027-01-01")
    after = (await client.ask("GET", BENCHMARKS)).body
    assert "2027-01-01" == after["built_on"] != before["built_on"]
    assert after["table"] != before["table"]
    asked = {"model": "auto", "messages": [{"role": "user", "content": "hi"}]}
    explained = (await client.ask("POST", "/v1/routing/explain", asked)).body
    assert {"table": after["table"], "built_on": "2027-01-01"} == explained["benchmarks"]


async def test_the_benchmarks_take_no_parameters(client: Client):
    assert 400 == (await client.ask("GET", f"{BENCHMARKS}?task=chat")).status
