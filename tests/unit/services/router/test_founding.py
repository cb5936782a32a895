"""The policy file founds what nobody has ever written, and leaves alone what somebody has, deleted included."""

from itertools import count

from libs.contracts.bootstrap import load
from libs.contracts.state import RoutingRule, TenantPolicy
from services.router.control import Control, Order
from services.router.domain.entities import Entity, Ref, ref_to, rule_ref
from services.router.founding import existing_rules, found
from tests.unit.services.router.fakes import FakeControlLog, FakeReadModel

FILE = b"""
[[tenants]]
tenant = "acme"
plan = "pro"
[[rules]]
tenant = "acme"
name = "cheap"
targets = [{ model = "small" }]
[[keys]]
tenant = "acme"
key_id = "ci"
secret = "sk-local"
"""


class Service:
    """A router that starts with the file."""

    def __init__(self) -> None:
        read_model = FakeReadModel()
        self.log = FakeControlLog(read_model)
        self.control = Control(self.log, read_model, visible_within_s=0.05)
        self._ids = count()

    async def start(self, *, models: tuple[str, ...] = ("small",)) -> int:
        return await found(
            self.control,
            load(FILE),
            env={},
            models=models,
            clock_ms=lambda: 7,
            new_id=lambda: f"e{next(self._ids)}",
        )

    async def write(self, ref: Ref, entity: Entity | None) -> None:
        order = Order(actor="somebody", at_ms=8, event_id=f"e{next(self._ids)}")
        await self.control.write(ref, lambda _before, _others: entity, order)


async def test_everything_is_founded_at_the_first_start_and_nothing_at_the_second():
    service = Service()
    assert 3 == await service.start()
    assert 0 == await service.start()
    assert {"bootstrap"} == {change.actor for change in service.log.changes}


async def test_what_was_changed_or_deleted_since_is_left_alone():
    service = Service()
    await service.start()
    changed = TenantPolicy(tenant="acme", plan="enterprise")
    await service.write(ref_to(changed), changed)
    (rule,) = await existing_rules(service.control, "acme")
    await service.write(rule_ref("acme", rule.rule_id), None)
    assert 0 == await service.start()
    assert (changed, []) == (await service.control.policy("acme"), await existing_rules(service.control, "acme"))


async def test_a_rule_made_by_hand_keeps_its_name_to_itself():
    service = Service()
    await service.write(rule_ref("acme", "mine"), RoutingRule(rule_id="mine", name="cheap"))
    assert 2 == await service.start()
    assert ["mine"] == [rule.rule_id for rule in await existing_rules(service.control, "acme")]


async def test_what_cannot_be_used_does_not_keep_the_rest_out():
    service = Service()
    assert 2 == await service.start(models=("large",))
