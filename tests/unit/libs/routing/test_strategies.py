"""Each strategy favours what it is named for."""

import pytest

from libs.contracts.events import SourceScores, Strategy
from libs.routing.candidates import Field
from libs.routing.scoring import Scored
from libs.routing.strategies import LATENCY_TOLERANCE, SMART_COST_TOLERANCE, best_of, chances_of
from tests.unit.libs.routing.builders import a_model


def a_result(score: float, cost: float = 0.01, latency: float = 100.0, utility: float | None = None) -> Scored:
    return Scored(
        scores=SourceScores(),
        score=score,
        utility=score if utility is None else utility,
        variance=1e-6,
        samples=1.0,
        latency_ms=latency,
        cost_usd=cost,
    )


def chances(strategy: Strategy, results: list[Scored], **shares: float) -> list[float]:
    models = tuple(a_model(name) for name in "abc"[: len(results)])
    field = Field(strategy=strategy, models=models, filtered=(), shares=shares)
    return chances_of(field, results, floor=0.0, day0=0, key="k")


@pytest.mark.parametrize("strategy", ["passthrough", "fallback"])
def test_an_order_is_kept(strategy: Strategy) -> None:
    assert [1.0, 0.0] == chances(strategy, [a_result(0.1), a_result(0.9)])


def test_smart_cost_takes_the_cheapest_that_is_nearly_as_good() -> None:
    best = 0.9
    near, far = best - SMART_COST_TOLERANCE + 0.001, best - SMART_COST_TOLERANCE - 0.001
    assert [0.0, 1.0, 0.0] == chances("smart_cost", [a_result(best, 0.09), a_result(near, 0.02), a_result(far, 0.01)])


def test_latency_based_takes_the_fastest_that_is_good_enough() -> None:
    best = 0.9
    near, far = best - LATENCY_TOLERANCE + 0.001, best - LATENCY_TOLERANCE - 0.001
    results = [a_result(best, latency=900.0), a_result(near, latency=300.0), a_result(far, latency=10.0)]
    assert [0.0, 1.0, 0.0] == chances("latency_based", results)


def test_weighted_follows_the_weights_and_round_robin_ignores_scores() -> None:
    results = [a_result(0.1), a_result(0.9), a_result(0.5)]
    assert [0.5, 0.25, 0.25] == chances("weighted", results, a=2.0)
    assert [1 / 3] * 3 == chances("round_robin", results)


def test_feedback_driven_takes_the_highest_utility() -> None:
    assert [0.0, 1.0] == chances("feedback_driven", [a_result(0.9, utility=0.2), a_result(0.6, utility=0.5)])


def test_of_equals_the_first_is_best() -> None:
    assert 0 == best_of([a_result(0.5), a_result(0.5)])
