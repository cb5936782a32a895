"""What every `Ledger` does, the fake and the one in Redis."""

import msgspec
import pytest

from libs.contracts.events import FeedbackReceived
from libs.contracts.state import FeedbackMark
from services.feedback_ingest.domain.ratings import mark_key
from services.feedback_ingest.ports import Ledger, OverQuotaError, Quota

MONTH = "2026-11"


def rating(session_id: str = "s-1", *, tenant: str = "acme", score: float = 0.9) -> FeedbackReceived:
    return FeedbackReceived(
        event_id="e", tenant=tenant, session_id=session_id, source="session", score=score, received_at_ms=1
    )


def text(event: FeedbackReceived) -> str:
    return msgspec.json.encode(event).decode()


class LedgerSuite:
    """Subclasses bring the fixture `ledger`."""

    async def test_a_subject_is_claimed_once(self, ledger: Ledger):
        first, second = rating(score=0.9), rating(score=0.1)
        assert await ledger.find(mark_key(first)) is None
        assert await ledger.claim(first, None) is None
        expected = FeedbackMark(event=text(first), published=False)
        assert expected == await ledger.claim(second, None)
        assert expected == await ledger.find(mark_key(second))

    async def test_a_settled_claim_says_so(self, ledger: Ledger):
        event = rating()
        await ledger.claim(event, None)
        settled = FeedbackMark(event=text(event), published=True)
        await ledger.settle(mark_key(event), settled)
        assert settled == await ledger.claim(event, None)

    async def test_settling_what_has_expired_brings_nothing_back(self, ledger: Ledger):
        await ledger.settle(mark_key(rating()), FeedbackMark(event=text(rating()), published=True))
        assert await ledger.find(mark_key(rating())) is None

    async def test_quota_counts_claims_and_lets_repetitions_pass(self, ledger: Ledger):
        quota = Quota(month=MONTH, limit=2)
        for session in ("s-1", "s-1", "s-2"):
            await ledger.claim(rating(session), quota)
        with pytest.raises(OverQuotaError):
            await ledger.claim(rating("s-3"), quota)
        assert await ledger.find(mark_key(rating("s-3"))) is None
        assert await ledger.claim(rating("s-2"), quota) is not None

    async def test_each_tenant_and_month_has_its_own_quota(self, ledger: Ledger):
        await ledger.claim(rating("s-1"), Quota(month=MONTH, limit=1))
        assert await ledger.claim(rating("s-1", tenant="beta"), Quota(month=MONTH, limit=1)) is None
        assert await ledger.claim(rating("s-2"), Quota(month="2026-12", limit=1)) is None

    async def test_without_a_limit_ratings_are_still_counted(self, ledger: Ledger):
        await ledger.claim(rating("s-1"), Quota(month=MONTH))
        with pytest.raises(OverQuotaError):
            await ledger.claim(rating("s-2"), Quota(month=MONTH, limit=1))

    async def test_a_quota_of_nothing_allows_nothing(self, ledger: Ledger):
        with pytest.raises(OverQuotaError):
            await ledger.claim(rating(), Quota(month=MONTH, limit=0))
