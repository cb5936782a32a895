"""A declared policy comes into force once: the second run changes nothing, and nothing done by hand is undone."""

from collections.abc import Mapping

import msgspec
import pytest

from libs.contracts.bootstrap import load
from libs.contracts.state import Plan, RoutingRule, TenantPolicy
from services.router.control import Control, Order
from services.router.domain.declared import wishes
from services.router.domain.entities import Entity, Ref, StoredKey, gates_ref
from services.router.domain.gates import at_stage
from services.router.domain.keys import revoked
from services.router.domain.refusals import RefusedError
from services.router.domain.rules import pin
from tests.unit.services.router.fakes import FakeControlLog, FakeReadModel

FILE = b"""
[[plans]]
name = "pro"
[[tenants]]
tenant = "acme"
plan = "pro"
[[rules]]
tenant = "acme"
name = "cheap"
default_model = "small"
[[keys]]
tenant = "acme"
key_id = "ci"
rule_id = "cheap"
secret_env = "KEY"
"""
KEY = Ref(tenant="acme", kind="key", entity_id="ci")


class Shell:
    """Applies files to a policy in memory."""

    def __init__(self) -> None:
        read_model = FakeReadModel()
        self.log = FakeControlLog(read_model)
        self.control = Control(self.log, read_model, visible_within_s=0.05)
        self._ids = 0

    async def apply(self, file: bytes = FILE, *, env: Mapping[str, str] | None = None) -> list[str]:
        rules = [rule for rule in await self.control.all("acme", "rule") if isinstance(rule, RoutingRule)]
        orders = wishes(
            load(file), env=env or {"KEY": "one"}, existing_rules=lambda _: rules, models={"small"}, now_ms=self._ids
        )
        return [wish.name for wish in orders if await self.write(wish.ref, wish.decide)]

    async def write(self, ref: Ref, decide: object) -> bool:
        self._ids += 1
        order = Order(actor="cli", at_ms=self._ids, event_id=f"e{self._ids}")
        return (await self.control.write(ref, decide, order)).changed

    async def becomes(self, ref: Ref, entity: Entity) -> None:
        await self.write(ref, lambda _before, _others: entity)

    async def key(self) -> StoredKey:
        found = await self.control.find(KEY)
        assert isinstance(found, StoredKey)
        return found

    async def rule(self) -> RoutingRule:
        (found,) = await self.control.all("acme", "rule")
        assert isinstance(found, RoutingRule)
        return found


async def test_everything_declared_comes_into_force_in_an_order_that_holds():
    shell = Shell()
    assert ["pro", "acme", "cheap", "ci"] == await shell.apply()
    assert Plan(name="pro") == await shell.control.find(Ref(tenant="*platform", kind="plan", entity_id="pro"))
    assert TenantPolicy(tenant="acme", plan="pro") == await shell.control.policy("acme")
    assert (await shell.rule()).rule_id == (await shell.key()).rule_id


async def test_the_second_run_changes_nothing():
    shell = Shell()
    await shell.apply()
    assert [] == await shell.apply()


async def test_only_what_differs_is_changed():
    shell = Shell()
    await shell.apply()
    assert ["cheap"] == await shell.apply(FILE.replace(b'"small"', b'"small"\nenabled = false'))


async def test_a_new_secret_takes_the_old_one_out_of_force():
    shell = Shell()
    await shell.apply()
    old = (await shell.key()).secret_sha256
    assert ["ci"] == await shell.apply(env={"KEY": "two"})
    assert old == (await shell.key()).previous_sha256
    assert [] == await shell.apply(env={"KEY": "two"})


async def test_a_key_revoked_by_hand_stays_revoked_until_it_has_a_new_secret():
    shell = Shell()
    await shell.apply()
    await shell.becomes(KEY, revoked(await shell.key()))
    assert [] == await shell.apply()
    assert (await shell.key()).revoked
    await shell.apply(env={"KEY": "two"})
    assert not (await shell.key()).revoked


async def test_a_rule_pinned_by_hand_stays_pinned():
    shell = Shell()
    await shell.apply()
    rule = await shell.rule()
    pinned = pin(rule, TenantPolicy(tenant="acme"), reason="regression", now_ms=9)
    await shell.becomes(Ref(tenant="acme", kind="rule", entity_id=rule.rule_id), pinned)
    assert [] == await shell.apply()
    assert (True, "regression") == ((await shell.rule()).pinned, (await shell.rule()).pin_reason)


async def test_a_declared_rule_takes_over_the_one_of_its_name():
    shell = Shell()
    other = RoutingRule(rule_id="made-by-hand", name="cheap", default_model="small")
    await shell.becomes(Ref(tenant="acme", kind="rule", entity_id="made-by-hand"), other)
    await shell.apply()
    assert "made-by-hand" == (await shell.rule()).rule_id


async def test_a_rule_that_cannot_be_used_is_refused():
    with pytest.raises(RefusedError, match="gpt-9"):
        await Shell().apply(FILE.replace(b'"small"', b'"gpt-9"'))


async def test_a_price_of_a_model_that_does_not_exist_is_refused():
    priced = FILE.replace(b'plan = "pro"', b'plan = "pro"\nprices.small = { input = 1, output = 2 }')
    assert "acme" in await Shell().apply(priced)
    with pytest.raises(RefusedError, match="prices: there is no model 'smal'"):
        await Shell().apply(priced.replace(b"prices.small", b"prices.smal"))


async def test_no_change_carries_a_secret():
    shell = Shell()
    await shell.apply(env={"KEY": "tell-nobody"})
    assert b"tell-nobody" not in msgspec.json.encode(shell.log.changes)


GATES = b"""
[[gates]]
tenant = "acme"
route = "cheap"
max_cost_increase = { value = 0.1 }
require_shadow_before_live = true
"""


async def test_declared_gates_hold_for_the_rule_in_force_and_begin_in_the_shadow():
    shell = Shell()
    other = RoutingRule(rule_id="made-by-hand", name="cheap", default_model="small")
    await shell.becomes(Ref(tenant="acme", kind="rule", entity_id="made-by-hand"), other)
    assert "cheap" in await shell.apply(FILE + GATES)
    (gates,) = (await shell.control.gates("acme")).items()
    assert ("made-by-hand", "shadow") == (gates[0], gates[1].stage)
    assert "made-by-hand" == (await shell.key()).rule_id


async def test_a_route_that_has_moved_on_stays_where_it_is():
    shell = Shell()
    await shell.apply(FILE + GATES)
    rule_id = (await shell.rule()).rule_id
    moved = at_stage((await shell.control.gates("acme"))[rule_id], "canary", reason="watched", now_ms=9)
    await shell.becomes(gates_ref("acme", rule_id), moved)
    assert [] == await shell.apply(FILE + GATES)
    assert ["cheap"] == await shell.apply(FILE + GATES.replace(b"0.1", b"0.2"))
    assert ("canary", 9) == (
        (found := (await shell.control.gates("acme"))[rule_id]).stage,
        found.stage_since_ms,
    )


async def test_a_kind_of_secret_that_nobody_looks_for_is_refused_with_those_that_there_are():
    allowed = b'[[plans]]\nname = "pro"\n[[tenants]]\ntenant = "acme"\nplan = "pro"\nfirewall.output_allowed = ["%s"]\n'
    with pytest.raises(RefusedError, match=r"firewall\.output_allowed: 'open_ai' is no kind of secret: .*openai_key"):
        await Shell().apply(allowed % b"open_ai")
    assert ["pro", "acme"] == await Shell().apply(allowed % b"openai_key")
