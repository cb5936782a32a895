"""The pool lets nobody dominate it, tells nothing that few know, and forgets a tenant exactly."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.routing.pool import fit
from libs.routing.pooled_cells import MAX_SHARE, MIN_SESSIONS, MIN_TENANTS, pooled
from libs.routing.priors import load_priors
from libs.routing.statistics import Evidence, Sums
from tests.unit.libs.routing.builders import a_model, catalogue

MODELS = catalogue(a_model("gpt-5-4"), a_model("gpt-5-4-nano"))


def heard(n: float, mean: float, model: str = "gpt-5-4") -> Evidence:
    return {(model, "session"): Sums(n=n, sum_x=n * mean, sum_xx=n * mean * mean)}


def tenants(*parts: Evidence) -> dict[str, Evidence]:
    return {f"t{number}": part for number, part in enumerate(parts)}


evidence = st.builds(heard, st.floats(0.1, 5000), st.floats(0, 1))


@given(st.lists(evidence, min_size=MIN_TENANTS, max_size=30))
def test_no_tenant_weighs_more_than_its_share_of_a_published_cell(parts: list[Evidence]) -> None:
    cell = pooled(tenants(*parts)).cells["session"]["gpt-5-4"]
    kept = [sums.n for part in parts for sums in part.values() if cell.low <= sums.mean <= cell.high]
    assert pytest.approx(cell.sums.n) == sum(min(n, cell.cap) for n in kept)
    if len(kept) >= MIN_TENANTS:
        assert min(cell.cap, max(kept)) <= MAX_SHARE * cell.sums.n * (1 + 1e-9)


@given(st.lists(evidence, min_size=1, max_size=30), st.randoms(use_true_random=False))
def test_the_order_of_tenants_does_not_matter(parts: list[Evidence], rng: object) -> None:
    named = list(tenants(*parts).items())
    straight = pooled(dict(named))
    rng.shuffle(named)
    assert straight == pooled(dict(named))


@pytest.mark.parametrize(
    ("count", "sessions", "published"),
    [(MIN_TENANTS, MIN_SESSIONS, True), (MIN_TENANTS - 1, 1000.0, False), (50, MIN_SESSIONS - 0.1, False)],
)
def test_a_cell_is_published_only_when_enough_tenants_and_sessions_stand_behind_it(
    count: int, sessions: float, *, published: bool
) -> None:
    task = pooled(tenants(*[heard(sessions / count, 0.7)] * count))
    assert published == (task.cell("session", "gpt-5-4") is not None)
    pool = fit({"chat": task}, load_priors(), MODELS)
    assert published == ("chat" in pool.levels.get("session", {}))
    assert published == ("gpt-5-4" in pool.heard.get("chat", {}))


@given(st.lists(evidence, min_size=MIN_TENANTS, max_size=20), st.integers(0, MIN_TENANTS - 1))
def test_without_a_tenant_means_without_its_weight_in_the_cell(parts: list[Evidence], which: int) -> None:
    cell = pooled(tenants(*parts)).cells["session"]["gpt-5-4"]
    own = parts[which]["gpt-5-4", "session"]
    rest = cell.without(own)
    part = min(own.n, cell.cap) if cell.low <= own.mean <= cell.high else 0.0
    assert pytest.approx(cell.sums.n - part, abs=1e-6) == rest.n
    assert pytest.approx(cell.sums.sum_x - part * own.mean, abs=1e-6) == rest.sum_x


def test_a_tenth_of_hostile_raters_moves_nothing() -> None:
    honest = [heard(10, 0.70 + 0.001 * number) for number in range(45)]
    clean = pooled(tenants(*honest)).cells["session"]["gpt-5-4"].sums.mean
    attacked = pooled(tenants(*honest, *[heard(10_000, 0.0)] * 5)).cells["session"]["gpt-5-4"].sums.mean
    assert pytest.approx(clean, abs=0.01) == attacked


def test_a_tenant_that_left_leaves_nothing_behind() -> None:
    parts = tenants(*[heard(10, 0.5)] * 6)
    left = {name: part for name, part in parts.items() if name != "t0"}
    assert pooled(left) == pooled({**left, "t0": {}})


def test_the_fit_finds_level_and_who_is_better_than_benchmarks_say() -> None:
    surprising = {**heard(40, 0.5), **heard(40, 0.8, "gpt-5-4-nano")}
    pool = fit({task: pooled(tenants(*[surprising] * 8)) for task in ("chat", "coding")}, load_priors(), MODELS)
    for task in ("chat", "coding"):
        assert pool.heard[task]["gpt-5-4-nano"].pull > 0 > pool.heard[task]["gpt-5-4"].pull
    assert pool.trust < 0


def test_a_model_that_left_the_catalogue_is_passed_over() -> None:
    pool = fit({"chat": pooled(tenants(*[heard(40, 0.5, "gone")] * 8))}, load_priors(), MODELS)
    assert {} == pool.heard
