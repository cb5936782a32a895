"""Expected cost comes from what was paid, and models nobody called are priced on the same requests."""

import pytest

from libs.contracts.events import ModelEstimates
from libs.routing.operations import (
    Operations,
    cost_factors,
    pooled_cost_factors,
    pooled_operations,
    with_operations,
)
from tests.unit.libs.routing.builders import a_model, catalogue, known

MODELS = catalogue(a_model("used", price=1.0), a_model("unused", price=2.0), a_model("unpriced", price=None))
ESTIMATES = dict.fromkeys(MODELS, known(0.5))
SEEN = Operations(requests=10, errors=2, fresh_input=100_000, output=10_000, cost_micro_usd=140_000, latency_ms=5_000)


def found(operations: dict[str, Operations]) -> dict[str, ModelEstimates]:
    return with_operations(ESTIMATES, operations, MODELS)


def test_what_was_paid_and_how_long_it_took() -> None:
    used = found({"used": SEEN})["used"]
    assert pytest.approx((14_000.0, 500.0, 2 / 12)) == (used.cost_micro_usd, used.latency_ms, used.error_rate)


def test_an_unused_model_costs_what_the_same_requests_would_at_its_price() -> None:
    unused = found({"used": SEEN})["unused"]
    assert (28_000.0, None, None) == (unused.cost_micro_usd, unused.latency_ms, unused.error_rate)


def test_a_wordier_model_than_its_price_suggests_comes_out_dearer_with_every_request() -> None:
    wordy = Operations(requests=100, fresh_input=1_000_000, output=900_000, cost_micro_usd=9_200_000)
    cost = found({"used": SEEN, "unused": wordy})
    assert cost["unused"].cost_micro_usd > 80_000


def test_nothing_seen_is_nothing_known() -> None:
    assert ESTIMATES == found({})


def test_a_model_without_a_price_has_only_what_was_paid() -> None:
    assert found({"used": SEEN})["unpriced"].cost_micro_usd is None
    assert 14_000.0 == found({"unpriced": SEEN})["unpriced"].cost_micro_usd


def test_what_others_were_charged_corrects_the_price_list_of_a_model_not_called() -> None:
    as_listed = Operations(
        requests=100, fresh_input=1_000_000, output=100_000, cost_micro_usd=1_400_000, latency_ms=9_000
    )
    four_times = Operations(
        requests=100, fresh_input=1_000_000, output=100_000, cost_micro_usd=11_200_000, latency_ms=7_000
    )
    estimates = with_operations(ESTIMATES, {"used": SEEN}, MODELS, others={"used": as_listed, "unused": four_times})
    assert pytest.approx(4 * 28_000, rel=0.05) == estimates["unused"].cost_micro_usd
    assert (70.0, 500.0) == (estimates["unused"].latency_ms, estimates["used"].latency_ms)


def test_the_pool_tells_of_a_model_only_when_enough_tenants_called_it() -> None:
    many = {f"t{number}": {"used": SEEN} for number in range(5)}
    pool = pooled_operations({**many, "t0": {"used": SEEN, "unused": SEEN}})
    assert {"used"} == set(pool)
    assert (50, 700_000) == (pool["used"].requests, pool["used"].cost_micro_usd)


def test_a_wordy_model_is_expected_to_be_wordy_on_other_tasks() -> None:
    wordy, terse = a_model("wordy"), a_model("terse")
    models = catalogue(wordy, terse)
    charged = {
        "chat": {
            "wordy": Operations(requests=100, fresh_input=300_000, cost_micro_usd=300_000),
            "terse": Operations(requests=100, fresh_input=100_000, cost_micro_usd=100_000),
        }
    }
    factors = cost_factors(charged, models)
    assert factors["wordy"] > 1.2
    assert factors["terse"] < 0.8
    own = {"terse": Operations(requests=10, fresh_input=10_000, cost_micro_usd=10_000)}
    found = with_operations({"wordy": known(0.5), "terse": known(0.5)}, own, models, factors=factors)
    plain = with_operations({"wordy": known(0.5), "terse": known(0.5)}, own, models)
    assert found["wordy"].cost_micro_usd == pytest.approx(factors["wordy"] * plain["wordy"].cost_micro_usd)


def test_cost_factors_leave_the_pool_only_when_enough_tenants_called_the_model() -> None:
    models = catalogue(a_model("m"), a_model("n"))
    seen = {name: Operations(requests=5, fresh_input=5000, cost_micro_usd=5000) for name in models}
    four = {f"t{number}": seen for number in range(4)}
    assert {} == pooled_cost_factors({"chat": four}, models)
    assert set(models) == set(pooled_cost_factors({"chat": four, "coding": {"t9": seen}}, models))
    assert {} == pooled_cost_factors({"chat": four, "coding": four}, models)
