"""The broker in memory behaves as real ones do."""

import pytest

from tests.integration.libs.kafka.behaviour import BrokerBehaviour
from tests.integration.libs.kafka.worlds import MemoryWorld


class TestMemoryBroker(BrokerBehaviour):
    """The shared suite on the fake."""

    @pytest.fixture
    def world(self):
        return MemoryWorld()
