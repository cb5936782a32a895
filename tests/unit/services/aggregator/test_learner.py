"""The learner on a log in memory."""

import pytest

from services.aggregator.learner import touched
from tests.unit.services.aggregator.fakes import FakeLearning
from tests.unit.services.aggregator.reading_suite import PARTITIONS, ReadingSuite
from tests.unit.services.aggregator.world import feedback, request


class TestLearner(ReadingSuite):
    @pytest.fixture
    def state(self):
        return FakeLearning(PARTITIONS)

    @pytest.fixture
    def statistics(self, state):
        return state


def test_a_batch_touches_the_sessions_of_its_requests_and_ratings():
    batch = [request("r1"), request("r2"), feedback(session_id="s2")]
    assert {("acme", "s1"): ["r1", "r2"], ("acme", "s2"): []} == touched(batch)
