"""The in-memory learning state behaves like the real one."""

import pytest
from hypothesis import given

from tests.unit.services.aggregator.fakes import FakeLearning
from tests.unit.services.aggregator.learning_suite import LearningSuite, nothing_is_left_to_change
from tests.unit.services.aggregator.world import logs


class TestFakeLearning(LearningSuite):
    @pytest.fixture
    def state(self):
        return FakeLearning()

    @pytest.fixture
    def statistics(self, state):
        return state


@given(log=logs())
async def test_every_change_is_stored_exactly(log):
    await nothing_is_left_to_change(FakeLearning(), log)
