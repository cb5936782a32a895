"""Another policy is estimated from rated traffic as it would have turned out, or refused with the reason."""

import msgspec
import pytest

from libs.contracts.events import SourceWeights
from libs.routing.selection import decide
from libs.routing.snapshots import effective
from services.router.domain.counterfactual import Alternative
from services.router.domain.queries import Filters
from services.router.what_if import Answer, Question, what_if
from tests.unit.libs.routing.builders import a_request, a_snapshot, known
from tests.unit.services.router.events import rating
from tests.unit.services.router.fakes import FakeAuditLog
from tests.unit.services.router.traffic import COST, DAY0, MODELS, OWN, PAST, POLICY, QUALITY, traffic

REQUESTS, RATINGS = traffic(600)
LOG = FakeAuditLog(REQUESTS, [OWN], RATINGS)


async def asked(log: FakeAuditLog = LOG, **alternative: object) -> Answer:
    question = Question(filters=Filters(tenant="acme"), alternative=Alternative(**alternative))
    return await what_if(log, question, PAST)


@pytest.mark.parametrize("model", ["small", "large"])
async def test_one_model_for_everything(model: str) -> None:
    answer = (await asked(model=model)).evaluation
    assert answer.refused is None
    assert 600 == answer.overlap.draws
    for estimate in (answer.ips, answer.snips, answer.dr):
        assert estimate is not None
        assert pytest.approx(QUALITY[model], abs=2 * (estimate.high - estimate.low)) == estimate.value
    assert pytest.approx(2 * COST[model]) == answer.cost.value


async def test_the_same_weights_give_what_was_logged() -> None:
    answer = (await asked(cost_weight=0.0)).evaluation
    assert pytest.approx(600) == answer.overlap.effective
    assert pytest.approx(answer.logged.value) == answer.snips.value
    assert pytest.approx(answer.logged_cost.value) == answer.cost.value


async def test_a_saver_pays_less_and_gets_less() -> None:
    answer = (await asked(cost_weight=100.0)).evaluation
    assert answer.refused is None
    assert answer.cost.value < answer.logged_cost.value / 2
    assert answer.dr.value < answer.logged.value


async def test_other_sources_need_the_weights_of_then() -> None:
    benchmark = {"source_weights": SourceWeights(benchmark=1.0)}
    assert (await asked(**benchmark)).evaluation.overlap.draws == 600
    lost = await asked(FakeAuditLog(REQUESTS, [], RATINGS), **benchmark)
    assert {"weights w7 are not in the log": 600} == lost.skipped
    assert "there are no rated draws" == lost.evaluation.refused


async def test_a_model_that_was_never_a_candidate_is_refused() -> None:
    assert "could never have been made" in ((await asked(model="huge")).evaluation.refused or "")


async def test_only_the_first_rating_by_the_user_and_only_real_choices_count() -> None:
    requests, ratings = traffic(4, hops=1)
    late = [msgspec.structs.replace(item, score=0.0, received_at_ms=99, event_id="late") for item in ratings]
    judged = rating(0.0, session_id="s0", source="auto", at_ms=0)
    pinned = msgspec.structs.replace(requests[1].decision, pinned=True)
    requests[1] = msgspec.structs.replace(requests[1], decision=pinned)
    requests[2] = msgspec.structs.replace(requests[2], model="other")
    answer = await asked(FakeAuditLog(requests, [OWN], [judged, *late, *ratings]), model="large")
    assert 2 == answer.evaluation.overlap.draws
    assert pytest.approx((ratings[0].score + ratings[3].score) / 2) == answer.evaluation.logged.value
    assert {
        "another model answered than was chosen": 1,
        "the session began before the time range": 1,
    } == answer.skipped


async def test_a_choice_that_was_held_back_says_nothing_of_others() -> None:
    requests, ratings = traffic(50, hops=1)
    held = [
        msgspec.structs.replace(
            item,
            model="small",
            decision=msgspec.structs.replace(item.decision, winner="small", propensity=1.0, shadowed="large"),
        )
        for item in requests
    ]
    assert "certain" in ((await asked(FakeAuditLog(held, [OWN], ratings), model="large")).evaluation.refused or "")


async def test_a_session_that_the_log_moved_on_speaks_for_no_policy_that_stays() -> None:
    better = a_snapshot({"small": known(0.5, session=0.5), "large": known(0.7, session=0.9)}, event_id="w8")
    requests, ratings = traffic(200)
    moved = []
    for first, second in zip(requests[::2], requests[1::2], strict=True):
        asked_next = a_request(session_id=first.session_id, policy=POLICY, pinned=first.model)
        decision = decide(asked_next, effective(better, None, DAY0), MODELS, seed=first.decision.seed)
        moved += [first, msgspec.structs.replace(second, decision=decision, model=decision.winner)]
    log = FakeAuditLog(moved, [OWN, better], ratings)
    assert "could never have been made" in ((await asked(log, model="small")).evaluation.refused or "")
    stays = (await asked(log, model="large")).evaluation
    assert (None, pytest.approx(0.0)) == (stays.refused, stays.overlap.uncovered)
    same = (await asked(log, cost_weight=0.0)).evaluation
    assert pytest.approx(200) == same.overlap.effective
