"""Changing the policy: one writer per tenant decides on the newest state, appends to the log and waits to see the effect."""

import asyncio
from collections.abc import Sequence

import msgspec

from libs.contracts.events import ControlChanged, ControlKind
from libs.contracts.state import OptimizationGates, TenantPolicy
from services.router.domain.changes import change, same
from services.router.domain.entities import Decide, Entity, Entry, Ref, entity_of, ref_of
from services.router.ports import ControlLog, ReadModel

POLL_S = 0.02


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """Who wants a change and why; *at_ms* is Unix time and *event_id* names the change for good."""

    actor: str
    at_ms: int
    event_id: str
    reason: str | None = None


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """
    What became of an order: the entity now and whether anything changed.

    *visible* false: the change is in the log and will come into force, but the read model did not show it in time.
    """

    entity: Entity | None
    changed: bool
    visible: bool = True


class Control:
    """The tenants' policies: read from the read model, changed through the log."""

    def __init__(self, log: ControlLog, read_model: ReadModel, *, visible_within_s: float) -> None:
        self._log = log
        self._read_model = read_model
        self._visible_within_s = visible_within_s

    def without_waiting(self) -> "Control":
        """Return a control that does not wait for its changes to come into force."""
        return Control(self._log, self._read_model, visible_within_s=0.0)

    async def find(self, ref: Ref) -> Entity | None:
        """Return the entity in force, None where there is none."""
        entry = await self._read_model.entry(ref)
        return None if entry is None else _entity(entry)

    async def has_known(self, ref: Ref) -> bool:
        """Say whether the entity exists or ever did."""
        return await self._read_model.entry(ref) is not None

    async def all(self, tenant: str, kind: ControlKind) -> Sequence[Entity]:
        """Return the tenant's entities of a kind that are in force."""
        entries = await self._read_model.entries(tenant, kind)
        return [entity for entity in map(_entity, entries) if entity is not None]

    async def policy(self, tenant: str) -> TenantPolicy:
        """Return the tenant's policy, the default one where none was written."""
        found = await self.find(Ref(tenant=tenant, kind="policy", entity_id=tenant))
        return found if isinstance(found, TenantPolicy) else TenantPolicy(tenant=tenant)

    async def gates(self, tenant: str) -> dict[str, OptimizationGates]:
        """Return the tenant's optimisation gates by route."""
        entries = await self._read_model.entries(tenant, "gates")
        found = {entry.change.entity_id: _entity(entry) for entry in entries}
        return {route: gates for route, gates in found.items() if isinstance(gates, OptimizationGates)}

    async def write(self, ref: Ref, decide: Decide, order: Order) -> Outcome:
        """
        Change the entity at *ref* to what *decide* makes of its state and of all its kind.

        *decide* runs while no other writer changes the tenant's policy; what it raises rises. Raises `BusyError` and
        `ControlLogUnavailableError`.
        """
        async with self._read_model.exclusive(ref.tenant):
            before = await self.find(ref)
            after = decide(before, await self.all(ref.tenant, ref.kind))
            if same(before, after):
                return Outcome(entity=after, changed=False)
            fact = change(
                ref,
                before=before,
                after=after,
                actor=order.actor,
                now_ms=order.at_ms,
                event_id=order.event_id,
                reason=order.reason,
            )
            await self._log.append(fact)
            return Outcome(entity=after, changed=True, visible=await self._visible(fact))

    async def preview(self, ref: Ref, decide: Decide) -> Outcome:
        """Return what `write` would do now, without doing it."""
        before = await self.find(ref)
        after = decide(before, await self.all(ref.tenant, ref.kind))
        return Outcome(entity=after, changed=not same(before, after))

    async def _visible(self, fact: ControlChanged) -> bool:
        try:
            async with asyncio.timeout(self._visible_within_s):
                while not await self._shows(fact):  # noqa: ASYNC110 - the effect happens in another process
                    await asyncio.sleep(POLL_S)
        except TimeoutError:
            return False
        return True

    async def _shows(self, fact: ControlChanged) -> bool:
        entry = await self._read_model.entry(ref_of(fact))
        return entry is not None and entry.change.event_id == fact.event_id


def _entity(entry: Entry) -> Entity | None:
    value = entry.change.value
    return None if value is None else entity_of(entry.change.kind, value)
