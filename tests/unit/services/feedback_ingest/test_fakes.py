"""The fake ledger behaves as the one in Redis does."""

import pytest

from tests.unit.services.feedback_ingest.fakes import FakeLedger
from tests.unit.services.feedback_ingest.ledger_suite import LedgerSuite


class TestFakeLedger(LedgerSuite):
    @pytest.fixture
    def ledger(self) -> FakeLedger:
        return FakeLedger()
