"""Latency and errors come from what was seen, costs from what is expected, and the pool speaks where the tenant cannot."""

import pytest

from libs.contracts.events import ModelEstimates
from libs.routing.operations import Operations, average_usage, scaled, summed, with_operations
from tests.unit.libs.routing.builders import a_model, catalogue, known

MODELS = catalogue(a_model("used"), a_model("unused"))
ESTIMATES = dict.fromkeys(MODELS, known(0.5))
SEEN = Operations(requests=10, errors=2, fresh_input=100_000, output=10_000, cost_micro_usd=140_000, latency_ms=5_000)


def found(operations: dict[str, Operations], **fields: dict[str, Operations]) -> dict[str, ModelEstimates]:
    return with_operations(ESTIMATES, operations, **fields)


def test_what_was_paid_and_how_long_it_took() -> None:
    used = found({"used": SEEN})["used"]
    assert pytest.approx((14_000.0, 500.0, 2 / 12)) == (used.cost_micro_usd, used.latency_ms, used.error_rate)


def test_what_a_request_is_expected_to_cost_goes_before_what_was_paid() -> None:
    costs = {"used": 20_000.0, "unused": 9_000.0}
    estimates = with_operations(ESTIMATES, {"used": SEEN}, costs=costs)
    assert (20_000.0, 9_000.0) == (estimates["used"].cost_micro_usd, estimates["unused"].cost_micro_usd)


def test_nothing_seen_is_nothing_known() -> None:
    assert ESTIMATES == found({})


def test_others_speak_of_latency_and_errors_only_for_a_model_that_was_not_called() -> None:
    others = dict.fromkeys(MODELS, Operations(requests=100, errors=100, latency_ms=7_000, cost_micro_usd=1))
    estimates = found({"used": SEEN}, others=others)
    assert (500.0, 2 / 12) == (estimates["used"].latency_ms, estimates["used"].error_rate)
    assert (70.0, 0.5) == (estimates["unused"].latency_ms, estimates["unused"].error_rate)
    assert estimates["unused"].cost_micro_usd is None


def test_a_model_that_only_failed_has_its_own_error_rate() -> None:
    assert 1.0 == found({"used": Operations(errors=3)}, others={"used": SEEN})["used"].error_rate


def test_the_average_request_is_that_of_the_requests_that_were_served() -> None:
    average = average_usage([SEEN, Operations(requests=10, errors=9, fresh_input=100_000)])
    assert average is not None
    assert (10_000, 500) == (average.fresh_input, average.output)
    assert average_usage([Operations(errors=1)]) is None


def test_sums_add_up_field_by_field_and_a_share_is_a_share_of_each() -> None:
    assert Operations() == summed([])
    assert SEEN == summed([scaled(SEEN, 0.25), scaled(SEEN, 0.75)])
