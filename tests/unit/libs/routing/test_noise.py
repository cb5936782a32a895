"""Noise hides one tenant, costs what the ledger says, and is the same for what has not changed."""

from math import log, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.routing.noise import (
    SENSITIVITY,
    Ledger,
    Privacy,
    charged,
    clipped,
    digest_of,
    epsilon_of,
    noised,
    on_pace,
    opened,
    release,
    rho_of,
    totals,
)
from libs.routing.statistics import Evidence, Sums

KEY = b"secret"
PRIVACY = Privacy()

weights = st.floats(0.01, 500.0)
cells = st.builds(
    lambda n, mean, part: Sums(n=n, sum_x=n * mean, sum_xx=n * mean * (mean + part * (1 - mean))),
    weights,
    st.floats(0.0, 1.0),
    st.floats(0.0, 1.0),
)
places = st.tuples(st.sampled_from(["a", "b", "c", "d"]), st.sampled_from(["session", "auto", "manual"]))
evidences = st.dictionaries(places, cells, max_size=6)
epsilons = st.floats(1e-4, 20.0)
deltas = st.floats(1e-12, 0.1)


def vector(found: Evidence) -> dict[tuple[str, str, int], float]:
    """The moments around ½ that noise is added to."""
    return {
        (*place, index): value
        for place, sums in found.items()
        for index, value in enumerate(
            (sums.n, sums.sum_x - sums.n / 2, sums.sum_xx - sums.sum_x + sums.n / 4),
        )
    }


@given(epsilons, deltas)
def test_rho_and_epsilon_say_the_same(epsilon: float, delta: float):
    assert epsilon == pytest.approx(epsilon_of(rho_of(epsilon, delta), delta))


@given(st.dictionaries(st.sampled_from("uvwxyz"), evidences, min_size=1), st.floats(0.1, 50.0))
def test_no_tenant_moves_the_totals_by_more_than_the_sensitivity(contributions: dict[str, Evidence], cap: float):
    everybody = vector(totals(contributions, cap))
    for tenant in contributions:
        rest = vector(totals({name: own for name, own in contributions.items() if name != tenant}, cap))
        moved = sqrt(sum((value - rest.get(place, 0.0)) ** 2 for place, value in everybody.items()))
        assert moved <= SENSITIVITY * cap * (1 + 1e-6) + 1e-6


@given(evidences)
def test_evidence_below_the_cap_is_left_as_it_is(evidence: Evidence):
    kept = clipped(evidence, 1e6)
    assert evidence.keys() == kept.keys()
    assert all(evidence[place].n == pytest.approx(sums.n) for place, sums in kept.items())


@given(evidences)
def test_what_is_published_is_something_that_scores_could_have_given(evidence: Evidence):
    for sums in noised(evidence, "chat", PRIVACY, KEY).values():
        assert 0.0 <= sums.n
        assert -1e-5 <= sums.sum_x <= sums.n + 1e-5
        assert sums.sum_x**2 <= sums.sum_xx * sums.n + 1e-4 * (1 + sums.n)
        assert sums.sum_xx <= sums.sum_x + 1e-5


def test_the_noise_has_the_deviation_that_the_budget_asks_for():
    cell = Sums(n=1e6, sum_x=6e5, sum_xx=4.4e5)
    seen = np.array(
        [
            (sums.n - cell.n, sums.sum_x - cell.sum_x - (sums.n - cell.n) / 2)
            for task in map(str, range(2000))
            for sums in noised({("a", "session"): cell}, task, PRIVACY, KEY).values()
        ]
    )
    assert [0.0, 0.0] == pytest.approx(seen.mean(axis=0), abs=4 * PRIVACY.sigma / sqrt(2000))
    assert [PRIVACY.sigma] * 2 == pytest.approx(seen.std(axis=0), rel=0.06)
    assert PRIVACY.rho == pytest.approx((SENSITIVITY * PRIVACY.tenant_cap) ** 2 / (2 * PRIVACY.sigma**2))


@given(evidences)
def test_an_unchanged_cell_keeps_its_noise_and_a_changed_one_does_not(evidence: Evidence):
    first = noised(evidence, "chat", PRIVACY, KEY)
    assert first == noised(dict(reversed(evidence.items())), "chat", PRIVACY, KEY)
    grown = {place: Sums(n=s.n + 50, sum_x=s.sum_x + 25, sum_xx=s.sum_xx + 20) for place, s in evidence.items()}
    again = noised(grown, "chat", PRIVACY, KEY)
    noise = {place: first[place].n - evidence[place].n for place in evidence if first[place].n > 0}
    assert all(noise[place] != pytest.approx(again[place].n - grown[place].n, abs=1e-9) for place in noise)


def test_cells_tasks_and_keys_have_noise_of_their_own():
    cell = Sums(n=1e6, sum_x=5e5, sum_xx=3e5)
    both = noised({("a", "session"): cell, ("b", "session"): cell}, "chat", PRIVACY, KEY)
    other = noised({("a", "session"): cell}, "math", PRIVACY, KEY)
    secret = noised({("a", "session"): cell}, "chat", PRIVACY, b"another")
    assert 4 == len({sums.n for found in (both, other, secret) for sums in found.values()})


@given(epsilons, deltas, st.integers(1, 60))
def test_the_ledger_adds_up_and_refuses_what_the_period_cannot_afford(epsilon: float, delta: float, afford: int):
    budget = epsilon_of(afford * rho_of(epsilon, delta), delta)
    privacy = Privacy(epsilon=epsilon, period_epsilon=max(epsilon, budget), delta=delta)
    ledger = Ledger(period=3)
    for turn in range(afford):
        after = charged(ledger, f"task-{turn % 3}", f"digest-{turn}", privacy, day=3 * privacy.period_days)
        assert after is not None
        ledger = after
        assert ledger.spent_rho == pytest.approx((turn + 1) * privacy.rho)
    assert charged(ledger, "task-0", "one more", privacy, day=3 * privacy.period_days) is None
    assert ledger.epsilon(delta) <= privacy.period_epsilon * (1 + 1e-6)


def test_the_same_content_again_costs_nothing_even_when_the_budget_is_spent():
    privacy = Privacy(epsilon=1.0, period_epsilon=1.0)
    ledger = charged(Ledger(), "chat", "one", privacy, day=0)
    assert ledger is not None
    assert ledger is charged(ledger, "chat", "one", privacy, day=1)
    assert charged(ledger, "math", "two", privacy, day=1) is None


def test_a_new_period_has_a_new_budget_and_a_clock_that_goes_back_has_none():
    privacy = Privacy(epsilon=1.0, period_epsilon=1.0, period_days=30)
    ledger = charged(Ledger(), "chat", "one", privacy, day=59)
    assert ledger is not None
    later = charged(ledger, "chat", "two", privacy, day=60)
    assert later is not None
    assert (2, privacy.rho) == (later.period, later.spent_rho)
    assert charged(later, "chat", "three", privacy, day=59) is None


@given(evidences, evidences)
def test_a_digest_tells_contents_apart_and_not_their_order(one: Evidence, other: Evidence):
    assert digest_of(one, KEY) == digest_of(dict(reversed(one.items())), KEY)
    assert (one == other) == (digest_of(one, KEY) == digest_of(other, KEY))
    assert digest_of(one, KEY) != digest_of(one, b"another")


@pytest.mark.parametrize(
    "wrong",
    [{"epsilon": 0.0}, {"epsilon": 9.0}, {"delta": 0.0}, {"delta": 1.0}, {"period_days": 0}, {"tenant_cap": 0.0}],
)
def test_a_privacy_that_is_none_is_refused(wrong: dict[str, float]):
    with pytest.raises(ValueError, match="has to be"):
        Privacy(**wrong)


def test_a_small_epsilon_loses_no_digits():
    assert rho_of(1e-9, 1e-6) == pytest.approx(1e-18 / (4 * log(1e6)), rel=1e-6)


TENANTS = {f"t{n}": {("a", "session"): Sums(n=4.0, sum_x=3.0, sum_xx=2.5)} for n in range(200)}


class TestRelease:
    PRIVACY = Privacy(epsilon=1.0, period_epsilon=1.0)

    def said(self, contributions: dict[str, Evidence], ledger: Ledger) -> tuple[dict[object, Sums] | None, Ledger]:
        return release(contributions, {("a", "session")}, ledger, self.PRIVACY, task="chat", key=KEY, day=3)

    def test_publishable_cells_are_said_with_noise_and_others_not_at_all(self):
        shy = {("b", "session"): Sums(n=1.0, sum_x=1.0, sum_xx=1.0)}
        found, ledger = self.said(TENANTS | {"shy": shy}, Ledger())
        assert found is not None
        assert {("a", "session")} == found.keys()
        assert 800.0 != found["a", "session"].n == pytest.approx(800.0, abs=6 * self.PRIVACY.sigma)
        assert self.PRIVACY.rho == ledger.spent_rho

    def test_the_same_again_is_said_for_nothing_and_more_is_refused_until_the_next_period(self):
        first, ledger = self.said(TENANTS, Ledger())
        assert (first, ledger) == self.said(TENANTS, ledger)
        grown = TENANTS | {"new": {("a", "session"): Sums(n=4.0, sum_x=1.0, sum_xx=0.5)}}
        assert (None, ledger) == self.said(grown, ledger)


class TestPeriods:
    PRIVACY = Privacy(epsilon=1.0, period_epsilon=8.0, period_days=30)

    @given(st.integers(0, 29), st.integers(0, 100))
    def test_a_task_that_had_its_first_turn_waits_for_its_days(self, day: int, releases: int):
        spent = releases * self.PRIVACY.rho
        after = Ledger(period=2, spent_rho=spent)
        known = Ledger(period=2, paid={"chat": 60})
        allowed = spent <= self.PRIVACY.budget_rho * (day + 1) / 30 * (1 + 1e-9)
        assert allowed == on_pace(known, after, "chat", self.PRIVACY, day=60 + day)
        assert on_pace(known, after, "math", self.PRIVACY, day=60 + day)
        assert on_pace(Ledger(period=1, paid={"chat": 59}), after, "chat", self.PRIVACY, day=60 + day)

    def test_a_new_period_begins_with_nothing_spent_and_none_twice(self):
        spent = Ledger(period=2, period_days=30, spent_rho=0.1)
        assert spent == opened(spent, self.PRIVACY, day=89)
        assert (3, 0.0) == ((later := opened(spent, self.PRIVACY, day=90)).period, later.spent_rho)
        assert later == opened(later, self.PRIVACY, day=89)

    def test_periods_of_another_length_forget_nothing(self):
        daily = Ledger(period=20_000, period_days=1, spent_rho=0.1)
        longer = opened(daily, self.PRIVACY, day=20_000)
        assert (666, 30, 0.1) == (longer.period, longer.period_days, longer.spent_rho)
