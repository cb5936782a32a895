"""A range of decisions is made again: what was logged by the same code is the same, a forged record is found and shown."""

import msgspec

from libs.contracts.events import RequestCompleted
from libs.routing.priors import day0, load_priors
from libs.routing.replay import Past
from libs.routing.selection import decide, seed_of
from libs.routing.snapshots import effective
from services.router.domain.queries import Filters
from services.router.replaying import Tally, replay_range
from tests.unit.libs.routing.builders import a_model, a_request, a_snapshot, catalogue, known
from tests.unit.services.router.events import request
from tests.unit.services.router.fakes import FakeAuditLog

MODELS = catalogue(a_model("small", price=0.2), a_model("large", price=3.0))
PAST = Past(priors=load_priors(), models=MODELS)
DAY0 = day0(PAST.priors, MODELS.values(), now_ms=0)
OWN = [a_snapshot({"small": known(0.6), "large": known(0.6 + n / 50)}, event_id=f"w{n}", version=n) for n in range(3)]
ACME = Filters(tenant="acme")


def decided(number: int) -> RequestCompleted:
    session_id = f"s{number}"
    weights = effective(OWN[number % 3], None, DAY0)
    decision = decide(a_request(session_id=session_id), weights, MODELS, seed=seed_of("acme", session_id, "chat"))
    return request(number, session_id=session_id, decision=decision)


async def replayed(log: FakeAuditLog) -> tuple[Tally, list[int]]:
    tally = Tally()
    progress = [read async for read in replay_range(log, ACME, PAST, tally, examples=2)]
    return tally, progress


async def test_what_this_code_decided_comes_out_the_same_and_each_snapshot_is_fetched_once() -> None:
    log = FakeAuditLog([decided(n) for n in range(10)], OWN)
    tally, progress = await replayed(log)
    assert (10, 0, True) == (tally.replayed, tally.changed, tally.faithful)
    assert [4, 8, 10] == progress
    assert [{"w0", "w1", "w2"}, set(), set()] == log.asked


async def test_forged_records_are_counted_and_the_first_are_shown() -> None:
    events = [decided(n) for n in range(4)]
    forged = [
        msgspec.structs.replace(event, decision=msgspec.structs.replace(event.decision, propensity=0.5))
        for event in events
    ]
    tally, _ = await replayed(FakeAuditLog([*forged, decided(9)], OWN))
    assert (5, 4, False) == (tally.replayed, tally.changed, tally.faithful)
    assert ["r0", "r1"] == [item.request_id for item in tally.examples]
    assert ["propensity"] == [item.field for item in tally.examples[0].differences]


async def test_missing_weights_are_no_pass_and_old_records_are_said_to_be_skipped() -> None:
    old = msgspec.structs.replace(decided(0), decision=msgspec.structs.replace(decided(0).decision, inputs=None))
    cached = request(1, decision=None, status="cache_hit")
    tally, _ = await replayed(FakeAuditLog([old, cached], OWN))
    assert (0, {"the record holds no inputs": 1}, True) == (tally.replayed, dict(tally.skipped), tally.faithful)
    tally, _ = await replayed(FakeAuditLog([decided(0)], []))
    assert ({"weights w0 are not in the log": 1}, False) == (dict(tally.skipped), tally.faithful)
