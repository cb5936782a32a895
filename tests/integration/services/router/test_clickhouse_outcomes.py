"""Outcomes of rated sessions are summed per task and side as the log has them, each session and each rating once."""

from collections.abc import AsyncIterator, Sequence

import msgspec
import pytest

from libs.contracts.events import Event, RequestCompleted
from services.router.adapters.clickhouse_decisions import ClickHouseDecisions
from services.router.adapters.clickhouse_outcomes import ClickHouseOutcomes
from services.router.domain.verification import Arm, Route
from tests.integration.services.router.conftest import Record
from tests.unit.services.router.events import DECISION, REQUEST, rating, request

SINCE_MS = REQUEST.created_at_ms
EVERYTHING = Route(tenant="acme")


@pytest.fixture
async def outcomes(clickhouse_url: str) -> AsyncIterator[ClickHouseOutcomes]:
    """The outcomes under test."""
    log = ClickHouseDecisions(clickhouse_url)
    yield ClickHouseOutcomes(log)
    await log.close()


def hop(number: int, session_id: str, model: str, **decision: object) -> RequestCompleted:
    made = msgspec.structs.replace(DECISION, **{"baseline": "large", **decision})
    return request(number, session_id=session_id, model=model, decision=made, cost_micro_usd=number)


def rated(session_id: str, score: float, **fields: object) -> Event:
    return rating(score, session_id=session_id, event_id=f"f-{session_id}", at_ms=SINCE_MS + 1, **fields)


async def arms(outcomes: ClickHouseOutcomes, route: Route = EVERYTHING) -> Sequence[Arm]:
    return await outcomes.arms(route, since_ms=SINCE_MS)


async def test_a_session_is_routed_once_it_left_the_baseline_and_counts_with_its_first_rating(
    outcomes: ClickHouseOutcomes, record: Record
):
    late = rating(0.1, session_id="a", event_id="f-late", at_ms=SINCE_MS + 9)
    moved = [hop(1, "a", "large"), hop(2, "a", "small"), hop(2, "a", "small")]
    stayed = [hop(3, "b", "large"), hop(4, "b", "large")]
    await record([*moved, *stayed, rated("a", 0.5), late, rated("b", 0.75)])
    sums = {"task": "coding", "sessions": 1}
    assert [
        Arm(**sums, routed=False, score=0.75, score_squared=0.5625, cost_micro_usd=7, cost_squared=49),
        Arm(**sums, routed=True, score=0.5, score_squared=0.25, cost_micro_usd=3, cost_squared=9),
    ] == await arms(outcomes)


async def test_only_optimised_served_and_rated_sessions_of_the_route_and_time_count(
    outcomes: ClickHouseOutcomes, record: Record
):
    await record(
        [
            hop(1, "ruled", "large", rule_id="r1"),
            hop(2, "weighted", "large", strategy="weighted"),
            hop(3, "unrated", "large"),
            hop(4, "no-baseline", "large", baseline=None),
            msgspec.structs.replace(hop(5, "cached", "large"), status="cache_hit"),
            msgspec.structs.replace(hop(6, "inferred", "large"), session_inferred=True),
            msgspec.structs.replace(hop(7, "early", "large"), created_at_ms=SINCE_MS - 1),
            *(rated(name, 0.5) for name in ("ruled", "weighted", "no-baseline", "cached", "inferred", "early")),
            rated("unrated", 0.5, source="auto"),
        ]
    )
    assert [1] == [arm.cost_micro_usd for arm in await arms(outcomes)]
    assert [1] == [arm.cost_micro_usd for arm in await arms(outcomes, Route(tenant="acme", rule_id="r1"))]
    assert [] == await arms(outcomes, Route(tenant="acme", but=("r1",)))
    assert [] == await arms(outcomes, Route(tenant="other"))


async def test_shadowed_sessions_are_counted_once_each(outcomes: ClickHouseOutcomes, record: Record):
    shadow = {"stage": "shadow", "shadowed": "small"}
    await record([hop(1, "a", "large", **shadow), hop(2, "a", "large", **shadow), hop(3, "b", "large", **shadow)])
    await record([hop(4, "c", "large", stage="canary", shadowed="small"), hop(5, "d", "large")])
    assert 2 == await outcomes.shadowed_sessions(EVERYTHING, since_ms=SINCE_MS)
