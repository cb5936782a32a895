"""The ports in memory behave like the real ones."""

import pytest
from hypothesis import given

from tests.unit.services.aggregator.fakes import FakeLearning, FakePool, FakeWeights
from tests.unit.services.aggregator.learning_suite import LearningSuite, nothing_is_left_to_change
from tests.unit.services.aggregator.weights_suite import PoolSuite, WeightsSuite
from tests.unit.services.aggregator.world import logs


class TestFakeLearning(LearningSuite):
    @pytest.fixture
    def state(self):
        return FakeLearning()

    @pytest.fixture
    def statistics(self, state):
        return state


class TestFakeWeights(WeightsSuite):
    @pytest.fixture
    def weights(self):
        return FakeWeights()


class TestFakePool(PoolSuite):
    @pytest.fixture
    def pool(self):
        return FakePool()


@given(log=logs())
async def test_every_change_is_stored_exactly(log):
    await nothing_is_left_to_change(FakeLearning(), log)
