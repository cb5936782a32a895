"""The fake hot state behaves like the one in Redis."""

import pytest

from tests.unit.services.gateway.fakes import FakeHotState
from tests.unit.services.gateway.hot_state_suite import HotStateSuite


class TestFakeHotState(HotStateSuite):
    @pytest.fixture
    def state(self) -> FakeHotState:
        return FakeHotState()
