"""The read model ends in the state of the log, whatever is delivered twice, lost, or born again."""

import asyncio

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from libs.contracts import state
from libs.contracts.events import ControlChanged, FeedbackReceived, control_key
from libs.contracts.state import ApiKey, RoutingRule, TenantPolicy
from libs.contracts.topics import CONTROL
from libs.kafka import consumer
from libs.kafka.batches import Batch, BatchLimits
from libs.kafka.memory import MemoryBroker, MemorySource
from libs.kafka.record import InvalidRecordError, Record
from services.router.consumer import LogRebornError, Materialiser, ReadModelLostError, decode
from services.router.domain.changes import change
from services.router.domain.entities import Entity, Place, StoredKey, ref_to, rule_ref
from services.router.metrics import RouterMetrics
from tests.unit.services.router.fakes import FakeReadModel


def policy_change(ttl_s: int) -> ControlChanged:
    policy = TenantPolicy(tenant="acme", cache_ttl_s=ttl_s)
    return fact(policy, event_id=f"policy-{ttl_s}")


def fact(entity: Entity, *, event_id: str) -> ControlChanged:
    ref = rule_ref("acme", entity.rule_id) if isinstance(entity, RoutingRule) else ref_to(entity)
    return change(ref, before=None, after=entity, actor="test", now_ms=1, event_id=event_id)


def put(broker: MemoryBroker, event: ControlChanged) -> None:
    key = control_key(event.tenant, event.kind, event.entity_id)
    broker.put(CONTROL.name, key, msgspec.json.encode(event))


class Refusing:
    """Dead letters that nobody expects."""

    async def put(self, record: Record, *, reason: str) -> None:
        raise AssertionError(reason)


async def run_until_applied(
    broker: MemoryBroker, model: FakeReadModel, *, log: str = "log", materialiser: Materialiser | None = None
) -> None:
    """Run one materialiser until the resume point is at the end of the log."""
    stop = asyncio.Event()
    materialiser = materialiser or Materialiser(model, RouterMetrics(CollectorRegistry()), new_log_id=lambda: log)
    source = MemorySource(broker, [CONTROL.name], group="router")
    limits = BatchLimits(max_wait_s=0.0, poll_s=0.001)
    running = asyncio.create_task(
        consumer.run(source, materialiser, Refusing(), stop=stop, decode=decode, progress=materialiser, limits=limits)
    )
    async with asyncio.timeout(5):
        while not running.done() and not await caught_up(broker, model):  # noqa: ASYNC110 - a fake tells nobody
            await asyncio.sleep(0)
        stop.set()
        await running


async def caught_up(broker: MemoryBroker, model: FakeReadModel) -> bool:
    place = await model.resume_point()
    return place is not None and place.offset == broker.end(CONTROL.name, 0) and bool(model.book)


def ttl(model: FakeReadModel) -> int:
    return msgspec.json.decode(model.values[state.policy("acme")], type=TenantPolicy).cache_ttl_s


async def test_the_newest_change_is_in_force_and_announced():
    broker, model = MemoryBroker(partitions=1), FakeReadModel()
    for ttl_s in (1, 2, 3):
        put(broker, policy_change(ttl_s))
    await run_until_applied(broker, model)
    assert 3 == ttl(model)
    assert ("policy", "acme", 2) == (model.announced[-1].kind, model.announced[-1].tenant, model.announced[-1].version)


async def test_a_restart_applies_only_what_is_new():
    broker, model = MemoryBroker(partitions=1), FakeReadModel()
    put(broker, policy_change(1))
    await run_until_applied(broker, model, log="first")
    put(broker, policy_change(2))
    before = len(model.announced)
    await run_until_applied(broker, model, log="second")
    assert 2 == ttl(model)
    assert (before + 1, "first") == (len(model.announced), (await model.resume_point()).log)


async def test_an_empty_read_model_is_rebuilt_from_the_beginning():
    broker, model = MemoryBroker(partitions=1), FakeReadModel()
    put(broker, policy_change(1))
    put(broker, fact(RoutingRule(rule_id="r1", name="cheap"), event_id="r"))
    await run_until_applied(broker, model)
    rebuilt = FakeReadModel()
    await run_until_applied(broker, rebuilt, log="again")
    assert (model.values, model.fields) == (rebuilt.values, rebuilt.fields)


async def test_a_log_that_was_born_again_is_applied_although_its_offsets_are_lower():
    broker, model = MemoryBroker(partitions=1), FakeReadModel()
    for ttl_s in range(1, 10):
        put(broker, policy_change(ttl_s))
    await run_until_applied(broker, model, log="first")
    broker.give_birth_again(CONTROL.name)
    put(broker, policy_change(77))
    await run_until_applied(broker, model, log="second")
    assert 77 == ttl(model)


async def test_a_log_born_again_and_grown_beyond_the_old_place_is_recognised_by_its_event():
    broker, model = MemoryBroker(partitions=1), FakeReadModel()
    put(broker, policy_change(1))
    await run_until_applied(broker, model, log="first")
    broker.give_birth_again(CONTROL.name)
    put(broker, fact(RoutingRule(rule_id="r1", name="cheap"), event_id="r"))
    put(broker, policy_change(5))
    await run_until_applied(broker, model, log="second")
    assert {("ag:{acme}:rules", "r1")} == model.fields.keys()


async def test_a_log_that_is_born_again_under_way_stops_the_consumer():
    broker, model = MemoryBroker(partitions=1), FakeReadModel()
    for ttl_s in (1, 2):
        put(broker, policy_change(ttl_s))
    materialiser = Materialiser(model, RouterMetrics(CollectorRegistry()), new_log_id=lambda: "log")
    await run_until_applied(broker, model, materialiser=materialiser)
    await materialiser.check()
    broker.give_birth_again(CONTROL.name)
    with pytest.raises(LogRebornError):
        await materialiser.check()


async def test_having_caught_up_is_having_applied_what_was_there_at_the_start():
    broker, model = MemoryBroker(partitions=1), FakeReadModel()
    put(broker, policy_change(1))
    materialiser = Materialiser(model, RouterMetrics(CollectorRegistry()), new_log_id=lambda: "log")
    assert not materialiser.caught_up.is_set()
    await run_until_applied(broker, model, materialiser=materialiser)
    assert materialiser.caught_up.is_set()


async def test_a_redelivered_older_change_does_not_undo_a_newer_one():
    model = FakeReadModel()
    await model.apply(policy_change(2), Place(log="log", offset=9))
    await model.apply(policy_change(1), Place(log="log", offset=3))
    assert 2 == ttl(model)


async def test_a_read_model_that_is_lost_under_way_stops_the_consumer():
    model = FakeReadModel()
    materialiser = Materialiser(model, RouterMetrics(CollectorRegistry()), new_log_id=lambda: "log")
    batch = Batch[ControlChanged](partition=0, records=(), events=(), start_offsets={}, next_offsets={})
    with pytest.raises(ReadModelLostError):
        await materialiser.handle(batch)


async def test_a_key_is_found_under_its_new_secret_only():
    model = FakeReadModel()
    old = StoredKey(key_id="ci", tenant="acme", secret_sha256="a" * 64)
    new = StoredKey(key_id="ci", tenant="acme", secret_sha256="b" * 64, previous_sha256="a" * 64)
    await model.apply(fact(old, event_id="1"), Place(log="log", offset=0))
    await model.apply(fact(new, event_id="2"), Place(log="log", offset=1))
    assert {state.api_key("b" * 64)} == model.values.keys()
    stored = model.values[state.api_key("b" * 64)]
    assert ApiKey(key_id="ci", tenant="acme") == msgspec.json.decode(stored, type=ApiKey)
    assert b"sha256" not in stored


FEEDBACK = FeedbackReceived(event_id="f", tenant="acme", session_id="s", source="session", score=1.0, received_at_ms=1)


@pytest.mark.parametrize(
    "value",
    [
        b"{",
        b"{}",
        msgspec.json.encode(FEEDBACK),
        msgspec.json.encode(msgspec.structs.replace(policy_change(1), value={"tenant": 3})),
        msgspec.json.encode(msgspec.structs.replace(policy_change(1), kind="key", value=None)),
    ],
    ids=["no JSON", "no event", "another event", "a value of another shape", "a key deleted"],
)
def test_what_can_never_be_applied_is_a_dead_letter(value: bytes):
    with pytest.raises(InvalidRecordError):
        decode(Record(topic=CONTROL.name, partition=0, offset=0, key=b"k", value=value))
