"""The decision log answers what the aggregator stored: one tenant's rows, each once, in order, page by page."""

from collections.abc import AsyncIterator

import pytest

from libs.contracts.events import TranscriptRecorded
from services.router.adapters import clickhouse_decisions
from services.router.adapters.clickhouse_decisions import ClickHouseDecisions
from services.router.domain.cursor import Position
from services.router.domain.queries import Filters, Page
from services.router.ports import DecisionLogUnavailableError
from tests.integration.services.router.conftest import Record
from tests.unit.services.router.events import REQUEST, rating, request

ACME = Filters(tenant="acme")


@pytest.fixture
async def decisions(clickhouse_url: str) -> AsyncIterator[ClickHouseDecisions]:
    """The decision log under test."""
    log = ClickHouseDecisions(clickhouse_url)
    yield log
    await log.close()


async def test_a_decision_is_found_whole_and_by_its_own_tenant_only(decisions: ClickHouseDecisions, record: Record):
    await record([request(1)])
    assert request(1) == await decisions.find("acme", "r1")
    assert await decisions.find("other", "r1") is None


async def test_a_redelivered_row_is_one_row(decisions: ClickHouseDecisions, record: Record):
    await record([request(1), request(1)])
    assert [request(1)] == await decisions.page(Page(filters=ACME))


async def test_pages_hang_together_newest_first_even_within_one_millisecond(
    decisions: ClickHouseDecisions, record: Record
):
    same_ms = [request(n, created_at_ms=REQUEST.created_at_ms) for n in range(5)]
    await record([*same_ms, request(7)])
    found, after = [], None
    while page := await decisions.page(Page(filters=ACME, limit=2, after=after)):
        found += page[:2]
        after = Position(found[-1].created_at_ms, found[-1].request_id)
    assert ["r7", "r4", "r3", "r2", "r1", "r0"] == [event.request_id for event in found]


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"session_id": "s2"}, ["r2"]),
        ({"model": "large"}, ["r3"]),
        ({"strategy": "weighted"}, []),
        ({"from_ms": REQUEST.created_at_ms + 2}, ["r3", "r2"]),
        ({"to_ms": REQUEST.created_at_ms + 2}, ["r1"]),
        ({"session_id": "x' OR 1=1 --"}, []),
    ],
    ids=str,
)
async def test_filters(decisions: ClickHouseDecisions, record: Record, filters: dict[str, object], expected: list[str]):
    await record([request(1), request(2, session_id="s2"), request(3, model="large")])
    page = await decisions.page(Page(filters=Filters(tenant="acme", **filters)))
    assert expected == [event.request_id for event in page]


async def test_ratings_of_sessions(decisions: ClickHouseDecisions, record: Record):
    mine = rating(0.9)
    await record([mine, rating(0.1, tenant="other"), rating(0.2, session_id="s2", event_id="g")])
    assert [mine] == await decisions.ratings("acme", ["s1"])
    assert () == await decisions.ratings("acme", [])


async def test_an_export_is_all_rows_oldest_first_in_bounded_chunks(
    decisions: ClickHouseDecisions, record: Record, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(clickhouse_decisions, "EXPORT_CHUNK", 2)
    await record([request(n) for n in range(5)])
    chunks = [[event.request_id for event in chunk] async for chunk in decisions.export(ACME)]
    assert [["r0", "r1"], ["r2", "r3"], ["r4"]] == chunks


async def test_transcripts_are_oldest_first_without_the_expired(decisions: ClickHouseDecisions, record: Record):
    def turn(number: int, expires_at_ms: int) -> TranscriptRecorded:
        return TranscriptRecorded(
            event_id=f"t{number}",
            request_id=f"r{number}",
            tenant="acme",
            session_id="s1",
            created_at_ms=REQUEST.created_at_ms + number,
            expires_at_ms=expires_at_ms,
            model="small",
            provider="mock",
            request="{}",
            response="{}",
        )

    far = 4_000_000_000_000
    await record([turn(2, far), turn(1, far), turn(0, 1)])
    assert ["r1", "r2"] == [found.request_id for found in await decisions.transcripts("acme", "s1")]


async def test_a_log_that_is_not_migrated_or_not_there_is_unavailable(decisions: ClickHouseDecisions):
    with pytest.raises(DecisionLogUnavailableError):
        await decisions.find("acme", "r1")
    nowhere = ClickHouseDecisions("clickhouse://127.0.0.1:1/default", timeout_s=1.0)
    with pytest.raises(DecisionLogUnavailableError):
        await nowhere.ping()
    await nowhere.close()
