"""With noise the pool says what its budget affords, in turn, keeps what it said, and forgets whoever leaves."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.routing.noise import Ledger, Privacy
from libs.routing.noised_tasks import noise_of, noised_tasks, voided
from libs.routing.pooled_cells import PooledTask, pooled
from libs.routing.statistics import Evidence, Sums
from libs.routing.variances import USUAL

PRIVACY = Privacy(epsilon=4.0, period_epsilon=4.0)
NOISE = noise_of(PRIVACY, b"secret")
DAY = 300


def said_of(score: float = 0.8, n: float = 5.0) -> Evidence:
    return {("a", "session"): Sums(n=n, sum_x=n * score, sum_xx=n * score)}


def everybody(count: int = 60, score: float = 0.8) -> dict[str, Evidence]:
    return {f"t{number}": said_of(score) for number in range(count)}


def once(contributions=None, previous=None, ledger=None, *, noise=NOISE, day=DAY, task="chat"):
    found = everybody() if contributions is None else contributions
    return noised_tasks(previous or {}, {task: found}, ledger or Ledger(), noise, day=day)


def test_cells_have_noise_counts_and_speakers_have_none_and_charges_are_not_said():
    exact = pooled(everybody())
    tasks, ledger = once()
    cell = tasks["chat"].cells["session"]["a"]
    assert (60, 300.0) == (cell.tenants, cell.sessions)
    assert cell.sums.n != exact.cells["session"]["a"].sums.n
    assert 0.8 == pytest.approx(cell.sums.mean, abs=0.2)
    assert exact.speakers == tasks["chat"].speakers
    assert ({}, {}, None) == (tasks["chat"].charged, tasks["chat"].callers, tasks["chat"].usage)
    assert PRIVACY.rho == pytest.approx(ledger.spent_rho)


def test_nobodys_share_is_taken_out_of_noise():
    cell = once()[0]["chat"].cells["session"]["a"]
    assert all(cell.sums == cell.without(Sums(n=5.0, sum_x=x, sum_xx=x)) for x in (0.0, 2.5, 4.0, 5.0))


def test_a_cell_weighs_what_its_mean_is_worth_under_the_noise():
    cell = once()[0]["chat"].cells["session"]["a"]
    said = 300.0  # Sessions, within the noise on their number.
    worth = 1.0 / (1.0 / said + (PRIVACY.sigma / said) ** 2 / USUAL["session"])
    assert worth == pytest.approx(cell.sums.n, rel=0.5)
    assert cell.sums.n < said


def test_the_same_again_is_the_same_and_costs_nothing():
    first = once()
    assert first == once()
    assert first == once(previous=first[0], ledger=first[1])


def test_new_content_costs_and_beyond_the_budget_the_old_stays():
    tasks, ledger = once()
    kept, after = once(everybody(score=0.2), tasks, ledger)
    assert tasks == kept
    assert (ledger.spent_rho, ("chat",)) == (after.spent_rho, after.waiting)
    fresh, later = once(everybody(score=0.2), kept, after, day=DAY + PRIVACY.period_days)
    assert fresh["chat"] != tasks["chat"]
    assert ((), PRIVACY.rho) == (later.waiting, pytest.approx(later.spent_rho))


def test_a_member_that_leaves_takes_the_task_along_where_the_budget_is_spent():
    tasks, ledger = once()
    rest = {tenant: own for tenant, own in everybody().items() if tenant != "t7"}
    dropped, after = once(rest, tasks, ledger)
    assert {"chat": PooledTask()} == dropped
    again, _ = once(rest, dropped, after, day=DAY + PRIVACY.period_days)
    assert 59 == again["chat"].cells["session"]["a"].tenants


def test_a_member_that_joins_waits():
    tasks, ledger = once()
    assert tasks == once(everybody(61), tasks, ledger)[0]


def test_what_was_not_said_with_noise_is_not_kept():
    exact = {"chat": pooled(everybody()), "math": pooled(everybody())}
    spent = Ledger(period=DAY // PRIVACY.period_days, spent_rho=PRIVACY.budget_rho, paid={"chat": DAY})
    assert {"chat": PooledTask()} == once(previous=exact, ledger=spent)[0]
    tasks, ledger = once()
    assert {"chat": PooledTask()} == once(everybody(score=0.2), exact, voided(ledger))[0]
    assert tasks.keys() == once(previous=tasks, ledger=ledger)[0].keys()


def test_too_few_are_not_said_and_cost_nothing():
    tasks, ledger = once(everybody(4))
    assert ({"chat": PooledTask()}, 0.0) == (tasks, ledger.spent_rho)
    shy = everybody() | {"t0": said_of() | {("b", "session"): Sums(n=90.0, sum_x=9.0, sum_xx=9.0)}}
    assert {"a"} == once(shy)[0]["chat"].cells["session"].keys()


def test_another_privacy_or_secret_is_another_noise_and_costs_again():
    tasks, ledger = once()
    other = noise_of(msgspec.structs.replace(PRIVACY, period_epsilon=40.0, period_days=1), b"secret")
    again, after = once(previous=tasks, ledger=ledger, noise=other)
    assert again["chat"].cells != tasks["chat"].cells
    assert after.spent_rho > ledger.spent_rho
    assert NOISE.key != noise_of(PRIVACY, b"another").key


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 6), st.floats(1.0, 12.0), st.integers(1, 12), st.integers(2, 12))
def test_a_busy_pool_is_never_over_budget_and_starves_no_task(
    tasks: int, period_epsilon: float, days: int, turns_a_day: int
):
    noise = noise_of(Privacy(epsilon=1.0, period_epsilon=period_epsilon, period_days=days), b"k")
    privacy, ledger, pool = noise.privacy, Ledger(), {}
    paid = dict.fromkeys(map(str, range(tasks)), 0)
    for turn in range(days * turns_a_day):
        day, score = turn // turns_a_day, (turn % 97) / 97
        before = ledger
        found = {task: everybody(6, score) for task in paid}
        pool, ledger = noised_tasks(pool, found, ledger, noise, day=day)
        for task, digest in ledger.released.items():
            paid[task] += digest != before.released.get(task)
        assert ledger.spent_rho <= privacy.budget_rho * (1 + 1e-6)
        first_ones = min(tasks, privacy.budget_rho / privacy.rho) * privacy.rho
        assert ledger.spent_rho <= max(first_ones, privacy.budget_rho * (day + 1) / days) * (1 + 1e-6)
    assert max(paid.values()) - min(paid.values()) <= 1
    left = privacy.budget_rho - ledger.spent_rho
    assert left < privacy.rho or sum(paid.values()) >= days * turns_a_day * tasks - tasks
