"""The noise of a source is what is seen within cells, pulled towards the usual; what lies between cells is not noise."""

from collections.abc import Sequence
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.routing.statistics import Evidence, FeedbackSource, Sums
from libs.routing.variances import USUAL, estimated_variances

scores = st.lists(st.floats(0.0, 1.0), min_size=2, max_size=30)


def seen(values: Sequence[float], *, model: str = "small", source: FeedbackSource = "session") -> Evidence:
    return {(model, source): Sums(n=len(values), sum_x=sum(values), sum_xx=sum(x * x for x in values))}


def test_without_evidence_the_usual_holds():
    assert USUAL == pytest.approx(estimated_variances([], 20.0))


def test_a_single_session_says_nothing():
    assert USUAL == pytest.approx(estimated_variances([seen([0.9])], 20.0))


@given(scores)
def test_the_estimate_lies_between_the_usual_and_the_sample_variance(values: list[float]):
    sample = float(np.var(values, ddof=1))
    low, high = sorted((USUAL["session"], sample))
    assert low - 1e-9 <= estimated_variances([seen(values)], 5.0)["session"] <= high + 1e-9


@given(scores, st.floats(0.1, 10.0), st.floats(1.5, 10.0))
def test_a_heavier_prior_stays_nearer_to_the_usual(values: list[float], weight: float, times: float):
    far, near = (estimated_variances([seen(values)], w)["session"] for w in (weight, weight * times))
    assert abs(near - USUAL["session"]) <= abs(far - USUAL["session"]) + 1e-12


@given(st.lists(scores, min_size=3, max_size=3))
def test_the_order_of_tasks_and_tenants_does_not_matter(parts: list[list[float]]):
    answers = [
        estimated_variances(order, 20.0)["session"] for order in permutations([seen(values) for values in parts])
    ]
    assert answers == pytest.approx([answers[0]] * len(answers))


@given(st.lists(st.floats(0.0, 0.4), min_size=2, max_size=20), st.floats(0.0, 0.6))
def test_a_harsh_rater_or_a_better_model_is_not_noise(values: list[float], shift: float):
    together = [seen(values), seen([x + shift for x in values], model="large")]
    twice = [seen(values), seen(values, model="large")]
    assert estimated_variances(twice, 20.0) == pytest.approx(estimated_variances(together, 20.0), abs=1e-9)


def test_sources_do_not_mix():
    found = estimated_variances([seen([0.0, 1.0] * 50, source="auto")], 20.0)
    assert (USUAL["session"], USUAL["manual"]) == pytest.approx((found["session"], found["manual"]))
    assert found["auto"] > USUAL["auto"]


def test_with_many_sessions_the_truth_is_found():
    rng = np.random.default_rng(7)
    tenants = [seen(list(rng.normal(mean, 0.2, size=6))) for mean in rng.uniform(0.3, 0.7, size=400)]
    assert estimated_variances(tenants, 20.0)["session"] == pytest.approx(0.04, rel=0.1)


def test_a_prior_without_weight_is_refused():
    with pytest.raises(ValueError, match="prior_weight"):
        estimated_variances([], 0.0)
