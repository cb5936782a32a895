"""Estimates of another policy hold its true value as often as they claim, and are refused where the log cannot know."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.routing.offpolicy import Draw, Evaluation, evaluate

QUALITY = np.array([0.7, 0.5, 0.8])
COST = np.array([30.0, 10.0, 90.0])
LOGGING = np.array([0.6, 0.3, 0.1])


def simulated(
    target: np.ndarray, *, draws: int, seed: int, logging: np.ndarray = LOGGING, believed: np.ndarray = QUALITY
) -> list[Draw]:
    """Draws of a log over three models, whose quality the predictions *believed* may miss."""
    rng = np.random.default_rng(seed)
    taken = rng.choice(3, size=draws, p=logging)
    rewards = rng.beta(10 * QUALITY[taken], 10 * (1 - QUALITY[taken]))
    return [
        Draw(
            propensity=float(logging[place]),
            target=float(target[place]),
            covered=float(target[logging > 0].sum()),
            reward=float(reward),
            cost_micro_usd=float(COST[place]),
            expected_taken=float(believed[place]),
            expected_target=float(target @ believed),
        )
        for place, reward in zip(taken, rewards, strict=True)
    ]


policies = st.tuples(st.floats(0.0, 1.0), st.floats(0.0, 1.0)).map(
    lambda pair: np.array([pair[0], (1 - pair[0]) * pair[1], (1 - pair[0]) * (1 - pair[1])])
)


@settings(deadline=None, max_examples=40)
@given(target=policies, seed=st.integers(0, 2**32 - 1))
def test_estimates_are_near_the_truth_whatever_the_policy(target: np.ndarray, seed: int) -> None:
    found = evaluate(simulated(target, draws=2_000, seed=seed))
    assert found.refused is None
    truth = float(target @ QUALITY)
    for estimate in (found.ips, found.snips, found.dr):
        assert estimate is not None
        width = (estimate.high - estimate.low) / 2
        assert pytest.approx(truth, abs=2.7 * width + 1e-9) == estimate.value  # More than five standard errors.
    assert found.cost is not None
    assert pytest.approx(float(target @ COST), rel=0.5) == found.cost.value


@pytest.mark.parametrize("believed", [QUALITY, np.array([0.1, 0.9, 0.2])], ids=["good beliefs", "wrong beliefs"])
def test_intervals_hold_the_truth_as_often_as_they_say(believed: np.ndarray) -> None:
    target, runs = np.array([0.1, 0.2, 0.7]), 200
    truth = float(target @ QUALITY)
    found = [evaluate(simulated(target, draws=1_500, seed=seed, believed=believed)) for seed in range(runs)]
    for name in ("ips", "snips", "dr"):
        held = sum(getattr(item, name).low <= truth <= getattr(item, name).high for item in found)
        assert 0.90 * runs <= held
        assert pytest.approx(truth, abs=0.01) == np.mean([getattr(item, name).value for item in found])


def test_good_beliefs_narrow_the_interval() -> None:
    found = evaluate(simulated(np.array([0.0, 0.0, 1.0]), draws=5_000, seed=1))
    assert _width(found, "dr") < _width(found, "snips") < _width(found, "ips")


def test_the_logged_policy_is_worth_what_was_logged() -> None:
    found = evaluate(simulated(LOGGING, draws=500, seed=3))
    assert found.logged is not None
    assert found.ips is not None
    assert pytest.approx(found.logged.value) == found.ips.value
    assert pytest.approx(500) == found.overlap.effective


@pytest.mark.parametrize(
    ("target", "logging", "draws", "reason"),
    [
        ([0, 0, 1], [1.0, 0.0, 0.0], 5_000, "certain"),
        ([1, 0, 0], [1.0, 0.0, 0.0], 5_000, "certain"),
        ([0, 0, 1], [0.7, 0.3, 0.0], 5_000, "100.0% of the other policy's choices could never"),
        ([0, 0, 1], [0.6, 0.3, 0.1], 200, "draws are worth"),
        ([0, 0, 1], [0.6, 0.3, 0.1], 0, "no rated draws"),
    ],
)
def test_what_the_log_cannot_know_is_refused_with_a_reason(
    target: list[float], logging: list[float], draws: int, reason: str
) -> None:
    found = evaluate(simulated(np.array(target), draws=draws, seed=5, logging=np.array(logging)))
    assert reason in (found.refused or "")
    assert (None, None, None, None) == (found.ips, found.snips, found.dr, found.cost)


def test_a_finer_precision_needs_more() -> None:
    draws = simulated(np.array([0.0, 0.0, 1.0]), draws=3_000, seed=7)
    coarse, fine = evaluate(draws), evaluate(draws, precision=0.005)
    assert coarse.refused is None
    assert fine.refused is not None
    assert fine.overlap.needed > fine.overlap.effective == coarse.overlap.effective


def _width(found: Evaluation, name: str) -> float:
    interval = getattr(found, name)
    return float(interval.high - interval.low)
