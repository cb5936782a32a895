"""Two gateways, two feedback-ingests and two aggregators learn what one of each does, to the last digit, also when one hangs."""

from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from tests.e2e.resilience.books import cells, hold_to, stored
from tests.e2e.resilience.stack import Stack, key_of
from tests.e2e.resilience.traffic import Traffic, hold_all, sessions
from tests.support.process import wait_until

SESSIONS = 40
MODELS = ("gpt-5-mini", "claude-haiku-4-5", "gemini-2.5-flash")
SHARED_S = 60.0
APPLIED = "aggregator_events_applied_total "


@pytest.mark.parametrize(
    ("platform", "shards"), [("embedded", ("0/1", "0/2", "1/2")), ("apache", ("", "", ""))], ids=["shards", "groups"]
)
def test_two_of_each_learn_what_one_learns(
    request: pytest.FixtureRequest, platform: str, shards: tuple[str, str, str], tenants: Iterator[str]
):
    stack: Stack = request.getfixturevalue(platform)
    one, moving, two = next(tenants), next(tenants), next(tenants)
    alone = hold_all((stack.url(),), key_of(one), sessions("same", MODELS), SESSIONS)
    with doubled(stack, shards) as (gateways, aggregators):
        with Traffic(gateways, key_of(moving), sessions("moving")) as in_between:
            share(stack, aggregators)
        together = hold_all(gateways, key_of(two), sessions("same", MODELS), SESSIONS)
        for tenant, traffic in ((one, alone), (moving, in_between), (two, together)):
            assert [] == traffic.failures
            hold_to(stack, tenant, traffic)
    with stack.redis() as redis:
        assert cells(redis, one) == cells(redis, two)


def test_who_hangs_longer_than_its_group_waits_finds_its_work_done(apache: Stack, tenant: str):
    def is_done(answered: set[str]) -> bool:
        with apache.clickhouse() as clickhouse:
            return answered <= set(stored(clickhouse, tenant)[0])

    with doubled(apache, ("", "", "")) as (gateways, aggregators):
        with Traffic(gateways, key_of(tenant), sessions("hanging")) as traffic:
            share(apache, aggregators)
            with apache.paused(aggregators[1]):
                traffic.wait_for(answers=50)
                answered = {answer.request_id for answer in traffic.answered}
                wait_until(lambda: is_done(answered), timeout_s=SHARED_S, what="the other to take over")
            traffic.wait_for(answers=50)
        assert [] == traffic.failures
        hold_to(apache, tenant, traffic)


@contextmanager
def doubled(stack: Stack, shards: tuple[str, str, str]) -> Iterator[tuple[tuple[str, str], tuple[str, str]]]:
    """Yield the addresses of two gateways and the names of two aggregators; *shards* are those of one, and of each of two."""
    ingest = stack.twin("feedback_ingest")
    gateway = stack.twin("gateway", FEEDBACK_INGEST_URL=stack.url(ingest))
    aggregator = stack.twin("aggregator", KAFKA_SHARD=shards[2])
    reshard(stack, shards[1])
    stack.start(ingest, gateway, aggregator)
    try:
        yield (stack.url(), stack.url(gateway)), ("aggregator", aggregator)
    finally:
        stack.stop(gateway, ingest, aggregator)
        reshard(stack, shards[0])


def share(stack: Stack, aggregators: tuple[str, str]) -> None:
    """Return when both aggregators have had their part of the traffic."""
    wait_until(
        lambda: all(applied(stack, name) for name in aggregators),
        timeout_s=SHARED_S,
        what="both aggregators to share the work",
    )


def reshard(stack: Stack, shard: str) -> None:
    """Let the aggregator own the partitions of *shard*; a member of a group is left to its group."""
    if shard:
        stack.stop("aggregator")
        stack.change("aggregator", {"KAFKA_SHARD": shard})
        stack.start("aggregator")


def applied(stack: Stack, aggregator: str) -> float:
    """Return how many events the process has applied."""
    lines = httpx.get(f"{stack.url(aggregator)}/metrics").text.splitlines()
    return sum(float(line.removeprefix(APPLIED)) for line in lines if line.startswith(APPLIED))
