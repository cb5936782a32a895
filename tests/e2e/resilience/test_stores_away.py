"""Without Redis or ClickHouse agents go on being served, and what they did is in the books when the store is back."""

import httpx

from tests.e2e.resilience.books import hold_to, streamed
from tests.e2e.resilience.stack import Stack, key_of
from tests.e2e.resilience.traffic import Traffic, sessions
from tests.support.process import wait_until

ANSWERS = 60
DEADLINE_S = 30.0


def test_a_redis_that_hangs_stops_nobody(embedded: Stack, tenant: str):
    with Traffic((embedded.url(),), key_of(tenant), sessions("hanging")) as traffic:
        traffic.wait_for(ANSWERS)
        with embedded.paused("valkey"):
            traffic.wait_for(ANSWERS)
        traffic.wait_for(ANSWERS)
    assert [] == traffic.failures
    hold_to(embedded, tenant, traffic)


def test_a_redis_that_dies_stops_nobody(embedded: Stack, tenant: str):
    with Traffic((embedded.url(),), key_of(tenant), sessions("dying")) as traffic:
        traffic.wait_for(ANSWERS)
        with embedded.without("valkey"):
            traffic.wait_for(ANSWERS)
        traffic.wait_for(ANSWERS)
    assert [] == traffic.failures
    hold_to(embedded, tenant, traffic)


def test_without_clickhouse_there_is_learning_but_no_audit(embedded: Stack, tenant: str):
    def rated_sessions() -> int:
        with embedded.redis() as redis:
            return streamed(redis, tenant).get("rated_sessions", 0)

    with Traffic((embedded.url(),), key_of(tenant), sessions("audit")) as traffic:
        traffic.wait_for(ANSWERS)
        with embedded.without("clickhouse"):
            before = rated_sessions()
            wait_until(lambda: rated_sessions() > before + 10, timeout_s=DEADLINE_S, what="ratings to be learnt")
            audit = httpx.get(
                f"{embedded.url()}/v1/decisions/{traffic.answered[0].request_id}",
                headers={"authorization": f"Bearer {key_of(tenant)}"},
                timeout=DEADLINE_S,
            )
    assert 503 == audit.status_code
    assert [] == traffic.failures
    hold_to(embedded, tenant, traffic)
