"""What leaves the pool rests on many tenants: what few say changes nothing that is published, not in the last bit."""

import os
import subprocess
import sys

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.contracts.events import ModelEstimates
from libs.contracts.state import TenantPolicy
from libs.routing.operations import Operations
from libs.routing.pool import Pool, fit
from libs.routing.pooled_cells import MAX_SHARE, MIN_TENANTS, cap_of, pooled
from libs.routing.posterior import estimates
from libs.routing.priors import load_priors
from libs.routing.statistics import Evidence, FeedbackSource, Sums
from tests.unit.libs.routing.builders import a_model, catalogue

PRIORS = load_priors()
MODELS = catalogue(*map(a_model, ("gpt-5-4", "gpt-5-4-nano", "o3")))
POLICY = TenantPolicy(tenant="reader")
CROWD = tuple(f"t{number}" for number in range(8))

scores = st.floats(0, 1)
weights = st.floats(0.1, 5_000)


def said(mean: float, n: float, model: str = "gpt-5-4", source: FeedbackSource = "session") -> Evidence:
    return {(model, source): Sums(n=n, sum_x=n * mean, sum_xx=n * mean * mean)}


def charged(requests: float, each: float) -> Operations:
    return Operations(
        requests=requests,
        fresh_input=round(900 * requests * each),
        cost_micro_usd=round(1_000 * requests * each),
        latency_ms=round(80 * requests * each),
    )


KNOWN: dict[str, Evidence] = {name: {**said(0.6, 10), **said(0.7, 10, "gpt-5-4-nano")} for name in CROWD}
PAID = {name: {"gpt-5-4": charged(10, 1.0)} for name in CROWD}


def published(pool: Pool) -> Pool:
    """What estimates of a tenant without data can be made from."""
    return msgspec.structs.replace(pool, tasks={})


def belief(pool: Pool) -> dict[str, dict[str, ModelEstimates]]:
    return estimates({"chat": {}, "coding": {}, "rare": {}}, pool, PRIORS, MODELS, policy=POLICY, now_day=0)


def a_pool(chat: dict[str, Evidence], other: dict[str, Evidence] | None = None, name: str = "rare") -> Pool:
    return fit({"chat": pooled(chat, PAID), name: pooled(other or {})}, PRIORS, MODELS)


@given(scores, weights, st.integers(1, MIN_TENANTS - 1))
def test_a_model_that_few_speak_of_is_published_as_if_nobody_did(mean: float, n: float, few: int) -> None:
    spoken = {name: {**KNOWN[name], **said(mean, n, "o3")} for name in CROWD[:few]}
    pool = a_pool({**KNOWN, **spoken})
    assert published(a_pool(KNOWN)) == published(pool)
    assert belief(a_pool(KNOWN)) == belief(pool)


@given(scores, weights, st.integers(1, MIN_TENANTS - 1))
def test_a_source_that_few_speak_through_is_published_as_if_nobody_did(mean: float, n: float, few: int) -> None:
    spoken = {name: {**KNOWN[name], **said(mean, n, source="manual")} for name in CROWD[:few]}
    pool = a_pool({**KNOWN, **spoken})
    assert published(a_pool(KNOWN)) == published(pool)
    assert belief(a_pool(KNOWN)) == belief(pool)


@given(scores, weights, st.integers(1, MIN_TENANTS - 1))
def test_a_task_that_few_speak_of_is_published_as_if_it_were_not_there(mean: float, n: float, few: int) -> None:
    pool = a_pool(KNOWN, {name: said(mean, n) for name in CROWD[:few]})
    assert published(a_pool(KNOWN)) == published(pool)
    assert belief(a_pool(KNOWN)) == belief(pool)


def test_a_source_is_not_loud_by_cells_that_are_not_used() -> None:
    """Four tenants rate by hand a model that is published for nobody, a fifth one that is: its word stays its own."""
    spread = {name: {**KNOWN[name], **said(0.1, 50, "o3", "manual")} for name in CROWD[:4]}
    levels = [
        a_pool({**KNOWN, **spread, CROWD[4]: {**KNOWN[CROWD[4]], **said(mean, 50, source="manual")}}).levels
        for mean in (0.1, 0.9)
    ]
    assert levels[0] == levels[1]
    assert levels[0]["manual"] == {}


@given(st.floats(0.01, 100), st.floats(0.1, 100_000), st.integers(1, MIN_TENANTS - 1))
def test_what_few_were_charged_on_a_task_is_published_as_if_nobody_was(each: float, n: float, few: int) -> None:
    tasks = {"chat": pooled(KNOWN, PAID)}
    rare = pooled({}, {name: {"gpt-5-4": charged(n, each)} for name in CROWD[:few]})
    assert published(fit(tasks, PRIORS, MODELS)) == published(fit({**tasks, "rare": rare}, PRIORS, MODELS))
    assert {} == rare.operations


@given(st.lists(st.tuples(st.floats(0.5, 10_000), st.floats(0.01, 100)), min_size=MIN_TENANTS, max_size=20))
def test_no_tenant_weighs_more_than_its_share_of_the_charges(parts: list[tuple[float, float]]) -> None:
    charges = {f"t{number}": {"gpt-5-4": charged(*part)} for number, part in enumerate(parts)}
    total = pooled({}, charges).charged["gpt-5-4"].requests
    assert min(cap_of([(n, 1) for n, _ in parts]), max(n for n, _ in parts)) <= MAX_SHARE * total * (1 + 1e-9)


@given(st.floats(0, 10_000))
def test_a_tenant_that_only_fails_moves_an_error_rate_by_no_more_than_its_share(errors: float) -> None:
    failing = {CROWD[0]: {"gpt-5-4": msgspec.structs.replace(PAID[CROWD[0]]["gpt-5-4"], errors=errors)}}
    found = pooled({}, {**PAID, **failing}).operations["gpt-5-4"]
    assert found.errors <= found.requests / len(CROWD) * (1 + 1e-9)


def test_one_tenant_does_not_tell_the_average_request_by_sending_most_of_them() -> None:
    flood = {CROWD[0]: {"gpt-5-4": charged(1e6, 50.0), "o3": charged(1e6, 50.0)}}
    usage = pooled({}, {**PAID, **flood}).usage
    assert usage is not None
    assert usage.fresh_input <= 900 * (1 + MAX_SHARE * 50)


def test_one_tenant_does_not_say_what_small_cells_of_a_model_are_heard_to_say_together() -> None:
    """It has many sessions on one task, four others have one each on another."""

    def together(mean: float) -> float:
        one, four = {CROWD[0]: said(mean, 5_000, "o3")}, {name: said(0.5, 1, "o3") for name in CROWD[1:5]}
        chat = {name: {**KNOWN[name], **one.get(name, {})} for name in CROWD}
        coding = {name: {**KNOWN[name], **four.get(name, {})} for name in CROWD}
        heard = a_pool(chat, coding, "coding").heard["coding"]["o3"]
        return heard.pull / heard.precision

    assert 0.05 < together(1.0) - together(0.0) < 0.2  # 0.46 if sessions alone decided.


def test_one_tenant_does_not_say_how_harsh_a_source_is() -> None:
    """It rates one model by hand very often, four others another one."""

    def level(mean: float) -> float:
        one = {CROWD[0]: said(mean, 5_000, source="manual")}
        four = {name: said(0.5, 6, "gpt-5-4-nano", "manual") for name in CROWD[1:5]}
        return a_pool({name: {**KNOWN[name], **(one | four).get(name, {})} for name in CROWD}).levels["manual"]["chat"]

    assert 0.05 < level(1.0) - level(0.0) < 0.25  # 0.57 if sessions alone decided.


@given(st.permutations(CROWD), scores)
def test_neither_the_order_of_tenants_nor_of_tasks_matters(order: list[str], mean: float) -> None:
    spoken = {**KNOWN, "t0": said(mean, 30)}
    tasks = {"chat": pooled(spoken, PAID), "coding": pooled(KNOWN, PAID)}
    again = {
        "coding": pooled({name: KNOWN[name] for name in order}, {name: PAID[name] for name in order}),
        "chat": pooled({name: spoken[name] for name in order}, {name: PAID[name] for name in order}),
    }
    assert fit(tasks, PRIORS, MODELS) == fit(again, PRIORS, MODELS)


@given(st.sets(st.sampled_from(CROWD), min_size=1), scores)
def test_a_pool_without_a_tenant_is_the_pool_as_if_it_had_never_been(left: set[str], mean: float) -> None:
    spoken = {**KNOWN, "t0": said(mean, 30)}
    stayed = [name for name in CROWD if name not in left]
    gone = pooled({**spoken, **{name: {} for name in left}}, {**PAID, **{name: {} for name in left}})
    never = pooled({name: spoken[name] for name in stayed}, {name: PAID[name] for name in stayed})
    assert fit({"chat": never}, PRIORS, MODELS) == fit({"chat": gone}, PRIORS, MODELS)


@settings(max_examples=10)
@given(scores)
def test_a_stored_pool_is_read_as_it_was_written(mean: float) -> None:
    pool = a_pool({**KNOWN, "t0": said(mean, 30)})
    assert pool == msgspec.json.decode(msgspec.json.encode(pool), type=Pool)


@pytest.mark.parametrize("stored", [b"{}", b'{"tasks": {"chat": {"cells": {}}}, "levels": {}, "effects": {}}'])
def test_a_pool_from_before_charges_is_read_and_says_nothing(stored: bytes) -> None:
    pool = msgspec.json.decode(stored, type=Pool)
    assert belief(Pool()) == belief(pool)
    assert Pool() == fit(pool.tasks, PRIORS, MODELS)


def test_the_pool_is_the_same_in_every_process() -> None:
    """Hashes of strings differ from process to process: no sum may follow the order of a set."""
    source = "import tests.unit.libs.routing.test_pool_privacy as t; print(t.belief(t.a_pool(t.KNOWN)))"
    found = {
        subprocess.run(  # noqa: S603 - our own interpreter on a constant
            [sys.executable, "-c", source],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
            timeout=60,
        ).stdout
        for seed in ("1", "2")
    }
    assert 1 == len(found)


def test_how_many_sessions_few_tenants_rated_is_not_told() -> None:
    """The model is known by its judge; by session, one tenant has rated it."""

    def samples(n: float) -> float:
        judged = {name: {**KNOWN[name], **said(0.6, 10, "o3", "auto")} for name in CROWD}
        pool = a_pool({**judged, "t0": {**judged["t0"], **said(0.6, n, "o3")}})
        return belief(pool)["chat"]["o3"].benchmark.samples

    assert 0.0 == samples(7.0) == samples(2_000.0)
