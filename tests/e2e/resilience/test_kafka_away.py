"""Without Kafka agents are served and rate as ever, and every event is counted once when Kafka is back."""

import os
import time

import pytest

from tests.e2e.resilience.books import hold_to
from tests.e2e.resilience.stack import Stack, key_of
from tests.e2e.resilience.traffic import Traffic, hold_all, sessions

OUTAGE_S = float(os.environ.get("KAFKA_OUTAGE_S", "60"))


@pytest.mark.timeout(OUTAGE_S + 180)
def test_an_outage_costs_nothing(apache: Stack, tenant: str):
    with Traffic((apache.url(),), key_of(tenant), sessions("outage")) as traffic:
        traffic.wait_for(answers=50)
        with apache.without("broker"):
            before = len(traffic.answered), len(traffic.rated)
            time.sleep(OUTAGE_S)  # The length of the outage is what is tested.
            during = len(traffic.answered) - before[0], len(traffic.rated) - before[1]
        traffic.wait_for(answers=50)
    assert [] == traffic.failures
    assert min(during) > OUTAGE_S
    hold_to(apache, tenant, traffic)


def test_a_rating_outlives_the_death_of_who_took_it(embedded: Stack, tenant: str):
    with embedded.paused("broker"):
        traffic = hold_all((embedded.url(),), key_of(tenant), sessions("taken"), 20)
        embedded.kill("feedback_ingest")
        embedded.start("feedback_ingest")
    assert [] == traffic.failures
    hold_to(embedded, tenant, traffic)
