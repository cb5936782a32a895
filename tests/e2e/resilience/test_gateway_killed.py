"""A gateway that dies takes no answered request with it."""

from tests.e2e.resilience.books import settled, stored
from tests.e2e.resilience.stack import Stack, key_of
from tests.e2e.resilience.traffic import Traffic, sessions

DEATHS = 3


def test_every_answer_is_in_the_log_after_a_death(embedded: Stack, tenant: str):
    with Traffic((embedded.url(),), key_of(tenant), sessions("gateway")) as traffic:
        for _ in range(DEATHS):
            traffic.wait_for(answers=20)
            embedded.kill("gateway")
            embedded.start("gateway")
    assert traffic.failures, "no request was cut off: the deaths proved nothing"
    answered = {answer.request_id for answer in traffic.answered}
    with embedded.clickhouse() as clickhouse:
        settled(lambda: answered - set(stored(clickhouse, tenant)[0]), set())
        requests, ratings = stored(clickhouse, tenant)
    assert len(requests) == len(set(requests))
    assert len(requests) - len(answered) <= len(traffic.failures)
    assert traffic.rated.items() <= ratings.items()
    assert " 0 differ" in embedded.verify()
