"""Charges say how far a model lies off the price list, on a task and everywhere, and how sure that is."""

from math import log

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.contracts.events import Usage
from libs.routing.costs import ELSEWHERE, expected_costs, pooled_ratios, ratios
from libs.routing.operations import Operations
from libs.routing.pool import Pool, fit
from libs.routing.pooled_cells import pooled
from libs.routing.priors import load_priors
from tests.unit.libs.routing.builders import a_model, catalogue

MODELS = catalogue(a_model("terse"), a_model("wordy"), a_model("third", price=2.0), a_model("unpriced", price=None))
USAGE = {"chat": Usage(fresh_input=1_000, output=0)}


def charged(requests: int, each: float) -> Operations:
    """So many requests of a thousand tokens of input, each charged so many thousand micro-dollars."""
    return Operations(requests=requests, fresh_input=1_000 * requests, cost_micro_usd=round(1_000 * each * requests))


def costs(own: dict[str, dict[str, Operations]], pool: Pool | None = None) -> dict[str, dict[str, float]]:
    known = pool or Pool()
    return expected_costs(own, known.ratios, known.usage, MODELS)


def a_pool(count: int, each: float, model: str = "wordy", task: str = "chat", requests: int = 10) -> Pool:
    operations = {model: charged(requests, each), "terse": charged(requests, 1.0)}
    return fit({task: pooled({}, {f"t{n}": operations for n in range(count)})}, load_priors(), MODELS)


def test_nothing_charged_and_nobody_asked_is_nothing_expected() -> None:
    assert {} == costs({})
    assert {} == costs({"chat": {}})


def test_a_model_nobody_called_is_expected_to_cost_its_list_price_on_the_requests_of_the_tenant() -> None:
    found = costs({"chat": {"terse": charged(1_000, 1.0)}})["chat"]
    assert 1_000.0 == pytest.approx(found["terse"], rel=0.05)
    assert 2_000.0 == pytest.approx(found["third"], rel=0.1)
    assert "unpriced" not in found


@given(st.floats(0.2, 5.0))
def test_many_requests_settle_what_a_model_charges(each: float) -> None:
    found = costs({"chat": {"wordy": charged(2_000, each), "terse": charged(2_000, 1.0)}})["chat"]
    assert 1_000 * each == pytest.approx(found["wordy"], rel=0.05)


def test_a_wordy_model_is_expected_to_be_wordy_on_other_tasks() -> None:
    own = {"chat": {"wordy": charged(100, 4.0), "terse": charged(100, 1.0)}, "coding": {"terse": charged(10, 1.0)}}
    found = costs(own)["coding"]
    assert found["wordy"] > 1.7 * found["terse"]


def test_what_others_were_charged_corrects_the_price_list_of_a_model_not_called() -> None:
    own = {"chat": {"terse": charged(50, 1.0)}}
    assert 4_000.0 == pytest.approx(costs(own, a_pool(9, 4.0))["chat"]["wordy"], rel=0.15)


def test_before_its_first_request_a_tenant_is_priced_on_those_of_the_others() -> None:
    assert 4_000.0 == pytest.approx(costs({"chat": {}}, a_pool(9, 4.0))["chat"]["wordy"], rel=0.15)


def test_a_ratio_needs_a_price_a_charge_and_an_average() -> None:
    seen = {"terse": charged(4, 1.0), "unpriced": charged(4, 1.0), "wordy": charged(4, 0.0), "gone": charged(4, 1.0)}
    found = ratios({"chat": seen, "coding": seen}, USAGE, MODELS)
    assert {"chat": {"terse"}} == {task: set(by_model) for task, by_model in found.items()}
    assert 0.0 == pytest.approx(found["chat"]["terse"].log)


@pytest.mark.parametrize(("count", "requests"), [(4, 1_000), (5, 2)])
def test_too_few_tenants_or_requests_leave_neither_ratios_nor_usage_nor_operations(count: int, requests: int) -> None:
    pool = a_pool(count, 4.0, requests=requests)
    assert ({}, {}) == (pool.ratios, pool.usage)
    assert {} == pool.tasks["chat"].operations


def test_small_charges_of_several_tasks_count_where_together_they_are_enough() -> None:
    crowd = {f"c{n}": {"terse": charged(10, 1.0)} for n in range(9)}
    few = {task: {f"{task}{n}": {"wordy": charged(10, each)} for n in range(3)} for task, each in (("a", 2), ("b", 8))}
    tasks = {task: pooled({}, crowd | found) for task, found in few.items()}
    found = pooled_ratios(tasks, {task: Usage(fresh_input=1_000) for task in tasks}, MODELS)
    assert {"terse"} == set(found["a"]) == set(found["b"])
    assert log(4.0) == pytest.approx(found[ELSEWHERE]["wordy"].log)
    alone = pooled_ratios({"a": tasks["a"]}, {"a": Usage(fresh_input=1_000)}, MODELS)
    assert ELSEWHERE not in alone
