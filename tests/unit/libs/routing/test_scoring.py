"""A score weighs the sources that have evidence; what is unknown is never an advantage."""

import pytest

from libs.contracts.events import Estimate, ModelEstimates, SourceWeights
from libs.contracts.state import RoutingPolicy
from libs.routing.phases import weights_of
from libs.routing.scoring import applied_weights, cost_usd, scored
from tests.unit.libs.routing.builders import EVEN, a_model, known

FREE = RoutingPolicy(cost_weight=0.0)


def test_a_source_without_evidence_is_dropped_and_the_rest_scaled() -> None:
    applied = applied_weights(weights_of("nps"), [known(0.5, session=0.6), known(0.4)])
    assert pytest.approx(1.0) == applied.session + applied.benchmark
    assert (0.0, 0.0) == (applied.auto, applied.manual)
    assert pytest.approx(5.0) == applied.session / applied.benchmark


def test_without_any_evidence_the_benchmark_decides() -> None:
    assert SourceWeights(benchmark=1.0) == applied_weights(SourceWeights(session=1.0), [known(0.5)])
    assert SourceWeights(benchmark=1.0) == applied_weights(weights_of("auto"), [])


def test_the_score_is_the_weighted_mean_of_the_sources() -> None:
    (found,) = scored((a_model("a"),), {"a": known(0.2, session=0.4, auto=0.6, manual=0.8)}, EVEN, FREE, (0, 0))
    assert pytest.approx(0.5) == found.score == found.utility
    assert pytest.approx(((3 * 0.004**0.5 + 0.0153**0.5) / 4) ** 2) == found.variance
    assert 24.0 == found.samples


def test_utility_is_the_score_less_cost_and_latency() -> None:
    policy = RoutingPolicy(cost_weight=2.0, latency_weight=0.1)
    estimates = {"a": ModelEstimates(benchmark=Estimate(mean=0.8, variance=0.01), latency_ms=500.0)}
    (found,) = scored((a_model("a", price=10.0),), estimates, SourceWeights(benchmark=1.0), policy, (1000, 500))
    assert pytest.approx(0.03) == found.cost_usd
    assert pytest.approx(0.8 - 2.0 * 0.03 - 0.1 * 0.5) == found.utility


def test_what_requests_did_cost_goes_before_the_price_list() -> None:
    estimates = ModelEstimates(benchmark=Estimate(mean=0.8, variance=0.01), cost_micro_usd=1500.0)
    assert 0.0015 == cost_usd(a_model("a", price=10.0), estimates, 1000, 500)


def test_an_unknown_price_or_latency_counts_as_the_worst_of_the_field() -> None:
    models = (a_model("cheap", price=1.0), a_model("dear", price=9.0), a_model("unpriced", price=None))
    estimates = {
        "cheap": ModelEstimates(benchmark=Estimate(mean=0.5, variance=0.01), latency_ms=100.0),
        "dear": ModelEstimates(benchmark=Estimate(mean=0.5, variance=0.01), latency_ms=900.0),
    }
    found = scored(models, estimates, SourceWeights(benchmark=1.0), RoutingPolicy(), (1000, 0))
    assert (found[1].cost_usd, found[1].latency_ms) == (found[2].cost_usd, found[2].latency_ms)
