"""A rating is never lost and never becomes two, whatever dies in between; the session is the one that was meant."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from libs.contracts.events import FeedbackReceived, session_key
from libs.contracts.state import FeedbackMark
from libs.kafka.ports import PublishError
from libs.redaction.sessions import SessionNames
from services.feedback_ingest.domain.dialects import Submission
from services.feedback_ingest.domain.ratings import ManualRating, session_rating
from services.feedback_ingest.metrics import FeedbackMetrics
from services.feedback_ingest.pipeline import (
    Caller,
    Intake,
    NoSessionError,
    Recorded,
    Recorder,
    SessionFinder,
    UnknownRequestError,
)
from services.feedback_ingest.ports import OverQuotaError, Quota, StoreUnavailableError
from tests.unit.services.feedback_ingest.fakes import (
    Crash,
    FakeEvents,
    FakeLedger,
    FakePlans,
    FakeSessions,
    Faults,
    ticking,
)

ACME = Caller(tenant="acme", key_id="k1", plan="starter")
GOOD = Submission(score=0.9, nps=9, useful=True)
BAD = Submission(score=0.1, nps=1, useful=False)


class World:
    """The service with fakes around it."""

    def __init__(self) -> None:
        self.sessions = FakeSessions()
        self.plans = FakePlans()
        self.ledger = FakeLedger()
        self.events = FakeEvents()
        self.registry = CollectorRegistry()
        self.recorder = Recorder(self.ledger, self.events, FeedbackMetrics(self.registry))
        finder = SessionFinder(self.sessions, SessionNames("secret"), retry_delays_s=(0.0, 0.0))
        self.intake = Intake(finder, self.plans, self.recorder, ticking())

    async def rate(
        self, submission: Submission = GOOD, *, header: str | None = "s-1", caller: Caller = ACME
    ) -> Recorded:
        return await self.intake.rate_session(submission, caller, header_session=header)

    def counted(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(f"feedback_{name}_total", labels) or 0.0


@pytest.fixture
def world() -> World:
    return World()


class LosingLedger(FakeLedger):
    """A ledger whose first answer is lost on the way: the client library asks again and finds its own mark."""

    async def claim(self, event: FeedbackReceived, quota: Quota | None) -> FeedbackMark | None:
        await super().claim(event, quota)
        return await super().claim(event, quota)


async def test_a_claim_that_is_answered_the_second_time_is_no_duplicate_of_itself():
    ledger, events = LosingLedger(), FakeEvents()
    rating = session_rating(GOOD, tenant="acme", session_id="s-1", now_ms=1)
    recorded = await Recorder(ledger, events, FeedbackMetrics(CollectorRegistry())).record(rating)
    assert not recorded.duplicate
    assert [rating] == events.ratings()


async def test_the_first_rating_is_published_under_the_key_of_its_session(world: World):
    recorded = await world.rate()
    assert [("feedback", session_key("acme", "s-1"))] == [published[:2] for published in world.events.published]
    assert [recorded.event] == world.events.ratings()
    assert not recorded.duplicate


async def test_later_ratings_are_duplicates_and_change_nothing(world: World):
    await world.rate(GOOD)
    assert (await world.rate(BAD)).duplicate
    assert [0.9] == [rating.score for rating in world.events.ratings()]
    assert world.counted("ratings", source="session", outcome="repeated") == 1


async def test_tenants_and_sessions_do_not_share_ratings(world: World):
    other = Caller(tenant="beta", key_id="k1", plan="starter")
    answers = [await world.rate(), await world.rate(header="s-2"), await world.rate(caller=other)]
    assert [False] * 3 == [answer.duplicate for answer in answers]


async def test_body_comes_before_header_and_header_before_the_last_session(world: World):
    world.sessions.last["acme", "k1"] = "s-last"
    named = Submission(score=0.9, nps=9, session="s-body")
    answers = [
        await world.rate(named, header="s-header"),
        await world.rate(header="s-header"),
        await world.rate(header=None),
    ]
    assert ["s-body", "s-header", "s-last"] == [answer.event.session_id for answer in answers]


async def test_without_any_session_the_rating_is_refused(world: World):
    with pytest.raises(NoSessionError):
        await world.rate(header=None)


async def test_a_completion_id_stands_for_its_session(world: World):
    world.sessions.aliases["acme", "chatcmpl-1"] = "s-1"
    assert (await world.rate(header="chatcmpl-1")).event.session_id == "s-1"
    assert (await world.rate(header="s-1")).duplicate


async def test_a_rating_faster_than_the_gateways_own_note_still_finds_its_session(world: World):
    world.sessions.late["acme", "chatcmpl-1"] = "s-1"
    assert (await world.rate(header="chatcmpl-1")).event.session_id == "s-1"


async def test_an_alias_of_another_tenant_means_nothing(world: World):
    world.sessions.aliases["beta", "r-1"] = "s-of-beta"
    assert (await world.rate(header="r-1")).event.session_id == "r-1"


async def test_quota_counts_new_ratings_only(world: World):
    world.plans.limits["starter"] = 2
    for session in ("s-1", "s-1", "s-2", "s-2", "s-1"):
        await world.rate(header=session)
    with pytest.raises(OverQuotaError):
        await world.rate(header="s-3")
    assert (await world.rate(header="s-2")).duplicate


async def test_without_redis_a_named_session_is_rated_unchecked(world: World):
    world.sessions.down = world.plans.down = world.ledger.down = True
    answers = [await world.rate(GOOD), await world.rate(BAD)]
    assert [False, False] == [answer.duplicate for answer in answers]
    assert 1 == len({rating.event_id for rating in world.events.ratings()})
    assert world.counted("unchecked", source="session") == 2


@pytest.mark.parametrize("header", [None, "chatcmpl-1"])
async def test_without_redis_nobody_can_tell_an_unnamed_session(world: World, header: str | None):
    world.sessions.down = True
    with pytest.raises(StoreUnavailableError):
        await world.rate(header=header)


async def test_a_rating_that_could_not_be_published_is_completed_by_the_next(world: World):
    world.events.error = PublishError("disk full")
    with pytest.raises(PublishError):
        await world.rate(GOOD)
    world.events.error = None
    await world.rate(BAD)
    assert [0.9] == [rating.score for rating in world.events.ratings()]
    assert world.counted("completed") == 1


async def test_redis_lost_after_the_claim_does_not_fail_a_durable_rating(world: World):
    class LosesSettle(FakeLedger):
        async def settle(self, key, mark):
            raise StoreUnavailableError("down")

    recorder = Recorder(LosesSettle(), world.events, FeedbackMetrics(CollectorRegistry()))
    event, later = (session_rating(GOOD, tenant="acme", session_id="s-1", now_ms=now_ms) for now_ms in (1, 2))
    assert not (await recorder.record(event)).duplicate
    assert (await recorder.record(later)).duplicate
    assert [event, event] == world.events.ratings()


async def test_a_manual_rating_finds_the_session_of_its_request(world: World):
    world.sessions.aliases["acme", "r-1"] = "s-1"
    recorded = await world.intake.rate_manually(ManualRating(score=3, request_id="r-1"), ACME)
    assert ("s-1", "r-1", "k1") == (recorded.event.session_id, recorded.event.request_id, recorded.event.rater)


async def test_a_manual_rating_may_name_the_session_of_a_forgotten_request(world: World):
    recorded = await world.intake.rate_manually(ManualRating(score=3, request_id="r-1", session_id="s-1"), ACME)
    assert ("s-1", "r-1") == (recorded.event.session_id, recorded.event.request_id)


async def test_a_manual_rating_of_an_unknown_request_is_refused(world: World):
    world.sessions.aliases["beta", "r-1"] = "s-1"
    with pytest.raises(UnknownRequestError):
        await world.intake.rate_manually(ManualRating(score=3, request_id="r-1"), ACME)


async def test_one_admin_rates_a_subject_once(world: World):
    rating = ManualRating(score=3, session_id="s-1")
    other = Caller(tenant="acme", key_id="k2", plan="starter")
    answers = [await world.intake.rate_manually(rating, caller) for caller in (ACME, ACME, other)]
    assert [False, True, True] == [answer.duplicate for answer in answers]


attempts = st.lists(st.tuples(st.integers(0, 10), st.none() | st.integers(0, 6)), min_size=1, max_size=6)


@given(attempts, st.integers(0, 10))
async def test_a_crash_at_any_step_neither_loses_nor_doubles_a_rating(
    crashing: list[tuple[int, int | None]], last: int
):
    world = World()
    answered: list[tuple[int, bool]] = []
    claimed: int | None = None
    for score, crash_at in [*crashing, (last, None)]:
        world.ledger.faults = world.events.faults = Faults(crash_at)
        submission = Submission(score=score / 10, nps=score)
        with suppress(Crash):
            answered.append((score, (await world.rate(submission)).duplicate))
        if claimed is None and world.ledger.marks:
            claimed = score
    assert {claimed} == {rating.nps for rating in world.events.ratings()}
    assert 1 == len({value for _, _, value in world.events.published})
    assert [claimed] * len(answered) == [claimed if duplicate else score for score, duplicate in answered]
    assert sum(not duplicate for _, duplicate in answered) <= 1
    assert {("acme", "2026-09"): 1} == world.ledger.counts


async def test_a_session_with_an_address_in_its_id_is_the_one_that_gateways_know(world: World):
    name = SessionNames("secret").of("acme", "chat with jane@example.com")
    recorded = await world.rate(header="chat with jane@example.com")
    assert (name, False) == (recorded.event.session_id, recorded.duplicate)
    assert (await world.rate(header=name)).duplicate
