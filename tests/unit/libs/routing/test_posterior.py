"""A tenant believes benchmarks first, then other tenants, then itself, and harshness is nobody's merit."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.contracts.events import ModelEstimates
from libs.contracts.state import RoutingPolicy, TenantPolicy
from libs.routing.pool import Pool, fit, pooled
from libs.routing.posterior import estimates, pool_used
from libs.routing.priors import load_priors, prior_of
from libs.routing.statistics import MICRO, Cell, Moments, faded, observe
from tests.unit.libs.routing.builders import a_model, catalogue

PRIORS = load_priors()
MODELS = catalogue(a_model("gpt-5-4"), a_model("gpt-5-4-nano"), a_model("nobody-1"))
POLICY = TenantPolicy(tenant="acme")
BETTER, WORSE = "gpt-5-4", "gpt-5-4-nano"


def rated(
    sessions: int, score: float, model: str = BETTER, day: int = 100, source: str = "session"
) -> dict[Cell, Moments]:
    one = observe(round(score * MICRO), MICRO)
    whole = Moments(n=sessions * one.n, sum_x=sessions * one.sum_x, sum_xx=sessions * one.sum_xx)
    return {Cell(task="chat", model=model, source=source, day=day): whole}


def believed(
    cells: dict[Cell, Moments], pool: Pool | None = None, policy: TenantPolicy = POLICY, day: int = 100
) -> dict[str, ModelEstimates]:
    return estimates({"chat": cells}, pool or Pool(), PRIORS, MODELS, policy=policy, now_day=day)["chat"]


def a_pool(own: dict[Cell, Moments], others: int = 9) -> Pool:
    """A pool in which everybody else found the smaller model much better, and this tenant has its own say."""
    other = faded({**rated(20, 0.3), **rated(20, 0.9, WORSE)}.items(), 100, 14.0)
    contributions = {f"t{number}": other for number in range(others)} | {"acme": faded(own.items(), 100, 14.0)}
    return fit({"chat": pooled(contributions)}, PRIORS, MODELS)


def test_without_evidence_there_is_the_benchmark_alone() -> None:
    for model, item in believed({}).items():
        assert prior_of(PRIORS, MODELS[model], "chat").mean == pytest.approx(item.benchmark.mean)
        assert (None, None, None) == (item.session, item.auto, item.manual)
        assert 0.0 == item.benchmark.samples


@given(st.integers(1, 200), st.sampled_from([0.0, 0.3, 1.0]))
def test_evidence_moves_the_mean_towards_it_and_narrows_it(sessions: int, score: float) -> None:
    before, after = believed({})[BETTER].benchmark, believed(rated(sessions, score))[BETTER].session
    assert after is not None
    assert abs(after.mean - score) < abs(before.mean - score)
    assert after.variance < before.variance * 1.5
    assert sessions == pytest.approx(after.samples)


def test_many_sessions_settle_it() -> None:
    after = believed(rated(500, 0.2))[BETTER].session
    assert after is not None
    assert pytest.approx(0.2, abs=0.02) == after.mean


def test_one_rated_model_gives_every_model_an_estimate_by_that_source() -> None:
    found = believed(rated(5, 0.9, source="auto"))
    assert all(item.auto is not None and item.session is None for item in found.values())
    assert [0.0, 0.0] == [found[model].auto.samples for model in (WORSE, "nobody-1")]


def test_a_harsh_rater_does_not_make_unrated_models_look_better() -> None:
    harsh = believed({**rated(40, 0.3), **rated(40, 0.1, WORSE)})
    assert harsh[BETTER].session.mean > harsh["nobody-1"].session.mean


def test_old_evidence_fades_at_the_tenants_own_pace() -> None:
    cells = rated(20, 0.1, day=0)
    slow = believed(cells, policy=TenantPolicy(tenant="acme", routing=RoutingPolicy(half_life_days=1000)), day=60)
    fast = believed(cells, policy=TenantPolicy(tenant="acme", routing=RoutingPolicy(half_life_days=5)), day=60)
    assert slow[BETTER].session.mean < fast[BETTER].session.mean


def test_a_new_tenant_starts_from_what_the_others_know() -> None:
    found = believed({}, a_pool({}))
    assert found[WORSE].benchmark.mean > found[BETTER].benchmark.mean
    assert found[WORSE].benchmark.samples > 100


def test_a_tenant_that_does_not_consume_never_sees_the_pool() -> None:
    policy = TenantPolicy(tenant="acme", consume=False)
    assert believed({}) == believed({}, a_pool({}), policy)
    assert (True, False) == tuple(pool_used("chat", a_pool({}), p) for p in (POLICY, policy))


def test_the_tenants_own_share_does_not_come_back_as_news() -> None:
    own = rated(30, 0.95, "gpt-5-4")
    alone = believed(own, a_pool({}))[BETTER].benchmark
    sharing = believed(own, a_pool(own))[BETTER].benchmark
    assert pytest.approx(alone.mean, abs=0.03) == sharing.mean
    assert pytest.approx(alone.samples, rel=0.05) == sharing.samples


def test_a_tenant_that_does_not_contribute_has_no_share_to_take_out() -> None:
    policy = TenantPolicy(tenant="acme", contribute=False)
    own = rated(30, 0.3)
    kept = believed(own, a_pool({}), policy)[BETTER].benchmark.samples
    assert pytest.approx(180, rel=0.01) == kept


def test_what_a_model_showed_on_other_tasks_is_expected_of_it_here() -> None:
    other = {
        Cell(task="coding", model=cell.model, source=cell.source, day=cell.day): moments
        for cell, moments in rated(40, 0.95, WORSE).items()
    }
    here = rated(3, 0.6)
    without = believed(here)
    moved = estimates({"chat": here, "coding": other}, Pool(), PRIORS, MODELS, policy=POLICY, now_day=100)["chat"]
    assert moved[WORSE].session.mean > without[WORSE].session.mean + 0.03
    assert moved[WORSE].benchmark == without[WORSE].benchmark
    assert without[BETTER].session.mean > moved[BETTER].session.mean
