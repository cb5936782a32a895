"""Weights rest on the tenant's own statistics, the pool and the benchmarks, and say which."""

import msgspec
import pytest

from libs.contracts.state import POOL, RoutingPolicy, TenantPolicy, TokenPrice
from libs.routing import pool as pooling
from libs.routing.noise import Privacy
from libs.routing.noised_tasks import noise_of
from libs.routing.operations import Operations
from libs.routing.pool import Pool
from libs.routing.statistics import MICRO, Cell, Moments
from services.aggregator.domain import publication
from services.aggregator.domain.measures import TaskStatistics, TenantStatistics
from services.aggregator.domain.publication import EVERY_TASK, Edition, is_news, pool_weights, tasks_due, tenant_weights
from tests.unit.services.aggregator.publishing import KNOWLEDGE

DAY = 20_000
EDITION = Edition(event_id="e", now_ms=1, now_day=DAY, version=4)
POLICY = TenantPolicy(tenant="acme")
ONE = Moments(n=MICRO, sum_x=MICRO, sum_xx=MICRO)


def chat(day=DAY):
    return TaskStatistics(
        evidence={Cell(task="chat", model="m1", source="session", day=day): ONE},
        operations={("m1", day): Operations(requests=4, errors=1, latency_ms=400, cost_micro_usd=800)},
    )


def weights(statistics, policy=POLICY, knowledge=KNOWLEDGE):
    return tenant_weights(statistics, knowledge, policy, EDITION)


def test_every_task_is_computed_with_those_that_have_weights_and_those_that_changed():
    assert set(EVERY_TASK) == set(tasks_due(None, []))
    known = weights(TenantStatistics(tasks={"old-task": TaskStatistics()}))
    assert {*EVERY_TASK, "old-task", "new-task"} == set(tasks_due(known, ["new-task", "chat"]))


def test_evidence_and_operations_reach_the_model_they_are_about():
    found = weights(TenantStatistics(requests=5, rated_sessions=1, tasks={"chat": chat()}))
    model = found.tasks["chat"]["m1"]
    assert model.session is not None
    assert (1.0, 100.0, 0.2) == (model.session.samples, model.latency_ms, model.error_rate)
    assert (4, "e", 1, 5, 1) == (
        found.version,
        found.event_id,
        found.published_at_ms,
        found.requests,
        found.rated_sessions,
    )


def test_old_evidence_fades_and_old_operations_are_forgotten():
    found = weights(TenantStatistics(tasks={"chat": chat(DAY - 28)})).tasks["chat"]["m1"]
    assert found.session is not None
    assert (0.25, None) == (found.session.samples, found.latency_ms)


def test_the_ramp_of_the_policy_decides_between_steps_and_a_smooth_way():
    statistics = TenantStatistics(requests=5)
    smooth = TenantPolicy(tenant="acme", routing=RoutingPolicy(ramp="smooth"))
    assert 1.0 == weights(statistics).weights.benchmark
    assert 0.65 == weights(statistics, smooth).weights.benchmark


def test_a_later_edition_with_the_same_content_is_no_news():
    first = weights(TenantStatistics(tasks={"chat": chat()}))
    later = msgspec.structs.replace(first, event_id="f", version=5, published_at_ms=9)
    assert is_news(None, first)
    assert not is_news(first, later)
    assert is_news(first, msgspec.structs.replace(later, rated_sessions=1))
    assert not is_news(first, msgspec.json.decode(msgspec.json.encode(first), type=type(first)))


def test_the_pools_weights_are_day_0_for_everybody():
    found = pool_weights(KNOWLEDGE, EDITION)
    assert (POOL, "day0", False, set(EVERY_TASK)) == (found.scope, found.phase, found.pool_used, found.tasks.keys())


def contributed(score=MICRO, policy=POLICY):
    whole = Moments(n=9 * MICRO, sum_x=9 * score, sum_xx=9 * score)
    statistics = TaskStatistics(
        evidence={Cell(task="chat", model="m1", source="session", day=DAY): whole},
        operations={("m1", DAY): Operations(requests=9, fresh_input=9_000, cost_micro_usd=18_000, latency_ms=450)},
    )
    return publication.contribution(statistics, policy, DAY)


def a_pool(names=tuple("abcdef"), previous=None):
    contributions = {"chat": {name: contributed() for name in names}}
    return publication.next_pool(previous or Pool(), contributions, KNOWLEDGE.priors, KNOWLEDGE.models)


def test_a_task_that_everybody_left_leaves_the_pool():
    assert {"chat"} == a_pool().tasks.keys()
    assert Pool() == a_pool((), a_pool())


def test_who_left_leaves_neither_scores_nor_charges():
    assert a_pool("abcde") == a_pool("abcde", a_pool())
    assert 45 == a_pool("abcde").tasks["chat"].charged["m1"].requests
    assert Pool() == msgspec.structs.replace(a_pool("abcd", a_pool()), tasks={})


def test_a_tenant_without_a_history_expects_the_charges_and_the_latency_of_the_others():
    knowledge = msgspec.structs.replace(KNOWLEDGE, pool=a_pool())
    found = weights(TenantStatistics(tasks={"chat": TaskStatistics()}), knowledge=knowledge)
    model = found.tasks["chat"]["m1"]
    assert found.pool_used
    assert 50.0 == pytest.approx(model.latency_ms)
    assert 1_000 < model.cost_micro_usd < 2_000
    assert model.benchmark.mean > found.tasks["chat"]["m2"].benchmark.mean


def test_a_tenant_that_does_not_consume_sees_nothing_of_the_pool():
    alone = TenantPolicy(tenant="acme", consume=False)
    statistics = TenantStatistics(tasks={"chat": chat(), "coding": TaskStatistics()})
    knowledge = msgspec.structs.replace(KNOWLEDGE, pool=a_pool())
    assert weights(statistics, alone) == weights(statistics, alone, knowledge)
    assert weights(statistics) != weights(statistics, knowledge=knowledge)


def test_a_model_that_surprised_on_one_task_is_expected_to_do_so_on_others():
    def with_coding(score):
        moments = Moments(n=50 * MICRO, sum_x=50 * score, sum_xx=50 * score * score // MICRO)
        evidence = {Cell(task="coding", model="m2", source="session", day=DAY): moments}
        return weights(TenantStatistics(tasks={"chat": chat(), "coding": TaskStatistics(evidence=evidence)}))

    better, worse = (with_coding(score).tasks["chat"] for score in (MICRO, 0))
    gained = [found["m2"].session.mean - found["m1"].session.mean for found in (better, worse)]
    assert gained[0] > gained[1] + 0.05


def test_a_model_that_was_not_called_is_expected_to_cost_what_the_tenant_would_pay_for_it():
    seen = Operations(requests=10, fresh_input=10_000, output=1_000, cost_micro_usd=14_000)
    statistics = TenantStatistics(tasks={"chat": TaskStatistics(operations={("m1", DAY): seen})})
    own = TenantPolicy(tenant="acme", prices={"m2": TokenPrice(input=2.0, output=8.0)})
    costs = [weights(statistics, policy).tasks["chat"]["m2"].cost_micro_usd for policy in (POLICY, own)]
    assert 2.0 == pytest.approx(costs[1] / costs[0])
    assert 1_000 < costs[0] < 2_000


NOISE = noise_of(Privacy(epsilon=50.0, period_epsilon=50.0), b"secret")


def a_noised_pool(names=tuple("abcdef"), previous=None, noise=NOISE):
    contributions = {"chat": {name: contributed() for name in names}}
    return publication.next_pool(previous or Pool(), contributions, KNOWLEDGE.priors, KNOWLEDGE.models, noise, day=DAY)


def test_a_pool_without_noise_is_the_fit_of_exact_sums_to_the_byte():
    evidence = {name: contributed().evidence for name in "abcdef"}
    charges = {name: contributed().charges for name in "abcdef"}
    exact = pooling.fit({"chat": pooling.pooled(evidence, charges)}, KNOWLEDGE.priors, KNOWLEDGE.models)
    assert msgspec.json.encode(exact) == msgspec.json.encode(a_pool())
    assert b"ledger" not in msgspec.json.encode(a_pool())
    assert a_pool() == msgspec.json.decode(msgspec.json.encode(a_pool()), type=Pool)


def test_a_pool_with_noise_keeps_its_ledger_and_expects_no_charges():
    pool = a_noised_pool()
    assert pool.ledger
    assert (NOISE.privacy.rho, {"chat"}) == (pytest.approx(pool.ledger.spent_rho), pool.ledger.released.keys())
    assert ({}, {}) == (pool.ratios, pool.usage)
    assert pool.heard["chat"].keys() == {"m1"}
    assert pool == a_noised_pool(previous=msgspec.json.decode(msgspec.json.encode(pool), type=Pool))


def test_noise_turned_off_remembers_what_was_spent_and_on_again_says_everything_anew():
    off = a_noised_pool(previous=a_noised_pool(), noise=None)
    assert off.ledger
    assert a_pool() == msgspec.structs.replace(off, ledger=msgspec.UNSET)
    assert {} == off.ledger.released
    assert {} == a_noised_pool(previous=off).tasks
