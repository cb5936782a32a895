"""A change is decided on the newest state, appended to the log, and answered once the read model shows it."""

import asyncio
from collections.abc import Sequence

import pytest

from libs.contracts.state import TenantPolicy
from services.router.control import Control, Order, Outcome
from services.router.domain.changes import digest
from services.router.domain.entities import Entity, ref_to
from services.router.ports import BusyError, ControlLogUnavailableError
from tests.unit.services.router.fakes import FakeControlLog, FakeReadModel

POLICY = TenantPolicy(tenant="acme", plan="pro")
REF = ref_to(POLICY)


class Desk:
    """A control with fakes around it."""

    def __init__(self) -> None:
        self.read_model = FakeReadModel()
        self.log = FakeControlLog(self.read_model)
        self.control = Control(self.log, self.read_model, visible_within_s=0.05)
        self._orders = 0

    async def put(self, entity: Entity | None) -> Outcome:
        self._orders += 1
        order = Order(actor="key:ci", at_ms=1_000 + self._orders, event_id=f"e{self._orders}", reason="because")
        return await self.control.write(REF, lambda _before, _all: entity, order)


async def test_a_change_carries_who_why_and_the_hashes_before_and_after():
    desk = Desk()
    await desk.put(POLICY)
    await desk.put(None)
    created, deleted = desk.log.changes
    assert (None, digest(POLICY)) == (created.before_sha256, created.after_sha256)
    assert (digest(POLICY), None, None) == (deleted.before_sha256, deleted.after_sha256, deleted.value)
    assert ("key:ci", "because", 1_001) == (created.actor, created.reason, created.changed_at_ms)


async def test_writing_what_is_in_force_appends_nothing():
    desk = Desk()
    await desk.put(POLICY)
    assert Outcome(entity=POLICY, changed=False) == await desk.put(POLICY)
    assert 1 == len(desk.log.changes)


async def test_a_writer_reads_its_own_change():
    desk = Desk()
    await desk.put(POLICY)
    assert POLICY == await desk.control.find(REF)


async def test_a_change_that_the_read_model_does_not_show_in_time_is_answered_as_not_yet_visible():
    desk = Desk()
    desk.log.lagging = True
    assert Outcome(entity=POLICY, changed=True, visible=False) == await desk.put(POLICY)


async def test_a_change_that_the_log_refuses_is_not_in_force():
    desk = Desk()
    desk.log.down = True
    with pytest.raises(ControlLogUnavailableError):
        await desk.put(POLICY)
    assert await desk.control.find(REF) is None


async def test_a_tenant_whose_policy_is_being_changed_is_busy():
    desk = Desk()
    desk.read_model.busy = True
    with pytest.raises(BusyError):
        await desk.put(POLICY)


async def test_writers_decide_one_after_the_other():
    desk = Desk()

    def one_more_ttl(before: Entity | None, _others: Sequence[Entity]) -> TenantPolicy:
        ttl_s = before.cache_ttl_s + 1 if isinstance(before, TenantPolicy) else 0
        return TenantPolicy(tenant="acme", cache_ttl_s=ttl_s)

    orders = [Order(actor="key:ci", at_ms=i, event_id=f"e{i}") for i in range(20)]
    await asyncio.gather(*(desk.control.write(REF, one_more_ttl, order) for order in orders))
    assert 19 == (await desk.control.policy("acme")).cache_ttl_s


async def test_a_tenant_without_a_policy_has_the_default_one():
    assert TenantPolicy(tenant="new") == await Desk().control.policy("new")
