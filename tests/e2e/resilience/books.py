"""What the platform has noted of a tenant: the learner's sums in Redis, and the rows in ClickHouse."""

from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar, cast

from clickhouse_driver import Client
from redis import Redis

from libs.contracts import state
from libs.contracts.topics import REQUESTS
from tests.e2e.resilience.stack import Stack
from tests.e2e.resilience.traffic import TASK, Traffic, statistics
from tests.support.process import wait_until

T = TypeVar("T")

RENAMED = {
    "fresh_input": "input",
    "cache_read": "input",
    "cache_write": "input",
    "reasoning": "output",
    "cost_micro_usd": None,  # Clients do not see it.
}
SETTLED_S = 60.0


def cells(redis: "Redis", tenant: str) -> dict[str, int]:
    """Return every sum over all partitions and days but latency, which is never twice the same."""
    sums: Counter[str] = Counter()
    for partition in range(REQUESTS.partitions):
        sums.update(_hash(redis, state.learning(partition, f"counters:{tenant}")))
        for field, value in _hash(redis, state.learning(partition, f"statistics:{tenant}:{TASK}")).items():
            sums[_without_day(field)] += value
    return {name: value for name, value in sums.items() if value and "latency_ms" not in name}


def streamed(redis: "Redis", tenant: str) -> dict[str, int]:
    """Return the sums that clients can know, named as `traffic.statistics` names them."""
    sums: Counter[str] = Counter()
    for cell, value in cells(redis, tenant).items():
        name, _, model = cell.partition(" ")
        known = RENAMED.get(name, name)
        if known is not None:
            sums[f"{known} {model}".rstrip()] += value
    return dict(sums)


def stored(clickhouse: Client, tenant: str) -> tuple[list[str], dict[str, int]]:
    """Return every stored request id, sorted, and session → score; a rating stored twice fails."""
    requests = clickhouse.execute(
        "SELECT request_id FROM requests FINAL WHERE tenant = %(t)s ORDER BY 1", {"t": tenant}
    )
    ratings = clickhouse.execute("SELECT session_id, nps FROM feedback FINAL WHERE tenant = %(t)s", {"t": tenant})
    assert len(ratings) == len({session for session, _ in ratings}), "a rating is stored twice"
    return [request for (request,) in requests], dict(ratings)


def settled(read: Callable[[], T], expected: T) -> None:
    """Return once *read* gives *expected*; fail with the difference when it does not in time."""
    with suppress(AssertionError):
        wait_until(lambda: read() == expected, timeout_s=SETTLED_S, what="the books to be settled")
    assert expected == read()


def hold_to(stack: Stack, tenant: str, traffic: Traffic) -> None:
    """Fail unless statistics and rows are those of *traffic*, every request and rating once, and agree with each other."""
    with stack.redis() as redis:
        settled(lambda: streamed(redis, tenant), statistics(traffic))
    with stack.clickhouse() as clickhouse:
        requests = sorted(answered.request_id for answered in traffic.answered)
        settled(lambda: stored(clickhouse, tenant), (requests, traffic.rated))
    assert " 0 differ" in stack.verify()


def _hash(redis: "Redis", key: str) -> dict[str, int]:
    fields = cast(dict[bytes, bytes], redis.hgetall(key))
    return {field.decode(): int(value) for field, value in fields.items()}


def _without_day(field: str) -> str:
    kind, _, rest = field.partition(":")
    name, model = rest.split(":", 3)[2:] if kind == "s" else rest.split(":", 2)[1:]
    return f"{name} {model}"
