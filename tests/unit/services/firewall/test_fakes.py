"""The fake quarantines behave as those in Redis do."""

import pytest

from tests.unit.services.firewall.fakes import FakeQuarantines
from tests.unit.services.firewall.quarantines_suite import QuarantinesSuite


class TestFakeQuarantines(QuarantinesSuite):
    @pytest.fixture
    def quarantines(self) -> FakeQuarantines:
        return FakeQuarantines()
