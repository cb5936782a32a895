"""An aggregator that dies in the middle of its work, again and again, neither loses a request or rating nor counts one twice."""

import pytest

from tests.e2e.resilience.books import hold_to, streamed
from tests.e2e.resilience.stack import Stack, key_of
from tests.e2e.resilience.traffic import Traffic, sessions
from tests.support.process import wait_until

KILLS = 20
PROGRESS_S = 30.0


@pytest.mark.timeout(400)
def test_twenty_deaths_leave_the_books_exact(embedded: Stack, tenant: str):
    def requests() -> int:
        with embedded.redis() as redis:
            return streamed(redis, tenant).get("requests", 0)

    with Traffic((embedded.url(),), key_of(tenant), sessions("kills")) as traffic:
        for _ in range(KILLS):
            before = requests()
            wait_until(lambda before=before: requests() > before, timeout_s=PROGRESS_S, what="a batch to be applied")
            embedded.kill("aggregator")  # Its rows are not in ClickHouse yet, and the next batch is on its way.
            embedded.start("aggregator")
    assert [] == traffic.failures
    hold_to(embedded, tenant, traffic)
