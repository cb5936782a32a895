"""Making all decisions of a time range again: what came out otherwise, and what could not be made again."""

from collections import Counter, OrderedDict
from collections.abc import AsyncIterator, Mapping, Sequence

import msgspec

from libs.contracts.events import Decision, RequestCompleted, WeightsPublished
from libs.routing.replay import Difference, Past, UnreplayableError, differences, replay, snapshot_ids
from services.router.domain.queries import Filters
from services.router.ports import AuditLog

MAX_SNAPSHOTS = 256  # Each is some 100 kB of estimates; a range of decisions moves on from one to the next.


class Changed(msgspec.Struct, frozen=True, kw_only=True):
    """A decision that came out otherwise."""

    tenant: str
    request_id: str
    differences: tuple[Difference, ...]


class Tally(msgspec.Struct, kw_only=True):
    """
    How far a replay has come. It is mutable: the replay adds to it.

    *examples* are the first of the *changed*; *skipped* counts decisions that could not be made again, by reason.
    """

    replayed: int = 0
    changed: int = 0
    examples: list[Changed] = []
    skipped: Counter[str] = msgspec.field(default_factory=Counter)

    @property
    def seen(self) -> int:
        """Return how many decisions were looked at."""
        return self.replayed + self.skipped.total()

    @property
    def faithful(self) -> bool:
        """Say whether every decision that has its inputs came out as it was logged."""
        return not self.changed and not any(reason.startswith("weights") for reason in self.skipped)


class Snapshots:
    """Publications by event id, fetched once and forgotten when many others came after."""

    def __init__(self, log: AuditLog, tenant: str) -> None:
        self._log = log
        self._tenant = tenant
        self._kept: OrderedDict[str, WeightsPublished] = OrderedDict()

    async def of(self, decisions: Sequence[Decision]) -> Mapping[str, WeightsPublished]:
        """Return those that *decisions* need, as far as the log has them."""
        wanted = {name for decision in decisions if decision.inputs is not None for name in snapshot_ids(decision)}
        for found in await self._log.weights(self._tenant, wanted - self._kept.keys()):
            self._kept[found.event_id] = found
        needed = {name: self._kept[name] for name in wanted & self._kept.keys()}
        while len(self._kept) > MAX_SNAPSHOTS:
            self._kept.popitem(last=False)
        return needed


async def replay_range(
    log: AuditLog, filters: Filters, past: Past, tally: Tally, *, examples: int
) -> AsyncIterator[int]:
    """Replay one tenant's decisions into *tally*; yields how many requests have been read, chunk by chunk."""
    snapshots, read = Snapshots(log, filters.tenant), 0
    async for chunk in log.export(filters):
        decided = [event for event in chunk if event.decision is not None]
        found = await snapshots.of([event.decision for event in decided if event.decision is not None])
        for event in decided:
            _replay(event, found, past, tally, examples=examples)
        read += len(chunk)
        yield read


def _replay(
    event: RequestCompleted, snapshots: Mapping[str, WeightsPublished], past: Past, tally: Tally, *, examples: int
) -> None:
    if event.decision is None:
        return
    try:
        again = replay(event.decision, event.tenant, event.session_id, snapshots, past)
    except UnreplayableError as error:
        tally.skipped[str(error)] += 1
        return
    tally.replayed += 1
    found = differences(event.decision, again)
    if found:
        tally.changed += 1
        if len(tally.examples) < examples:
            tally.examples.append(Changed(tenant=event.tenant, request_id=event.request_id, differences=found))
