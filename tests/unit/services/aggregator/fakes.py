"""The aggregator's ports in memory."""

from collections.abc import Mapping, Sequence
from itertools import count

import msgspec

from libs.contracts.events import WeightsPublished
from libs.contracts.state import Changed, TenantPolicy
from libs.routing.pool import Pool
from libs.routing.priors import Priors, load_priors
from services.aggregator.domain import measures, sessions
from services.aggregator.domain.change import Change, SessionKey, TaskKey
from services.aggregator.domain.folding import Known
from services.aggregator.domain.measures import TenantStatistics
from services.aggregator.domain.places import Place
from services.aggregator.ports import (
    LogUnavailableError,
    LostOwnershipError,
    MarkKind,
    Marks,
    OffsetsMovedError,
    PoolSnapshot,
    Snapshot,
    Step,
    Sums,
)


class FakePartition:
    """What one partition holds."""

    def __init__(self) -> None:
        self.owner = ""
        self.places: dict[str, Place] = {}
        self.sessions: dict[SessionKey, dict[str, bytes]] = {}
        self.seen: dict[SessionKey, set[str]] = {}
        self.statistics: dict[TaskKey, dict[str, int]] = {}
        self.counters: dict[str, dict[str, int]] = {}
        self.marks: dict[MarkKind, dict[str, bytes]] = {"dirty": {}, "stale": {}, "pool": {}}
        self.changes = count(1)


class FakeLearning:
    """Implements `LearningState` and `Statistics`."""

    def __init__(self, partitions: int = 4) -> None:
        self.partitions = [FakePartition() for _ in range(partitions)]
        self.alive: set[int] = set()

    async def claim(self, partition: int, token: str) -> dict[str, Place]:
        self.partitions[partition].owner = token
        return dict(self.partitions[partition].places)

    async def is_owned(self, partition: int, token: str) -> bool:
        return self.partitions[partition].owner == token

    async def forget(self, partition: int) -> None:
        owner, self.partitions[partition] = self.partitions[partition].owner, FakePartition()
        self.partitions[partition].owner = owner

    async def is_alive(self, partition: int) -> bool:
        return partition in self.alive

    async def begin(self, partition: int, token: str, begun: Mapping[str, Place]) -> None:
        self._owned(partition, token).places |= begun

    async def places(self, partition: int) -> dict[str, Place]:
        return dict(self.partitions[partition].places)

    async def load(self, partition: int, touched: Mapping[SessionKey, Sequence[str]]) -> dict[SessionKey, Known]:
        state = self.partitions[partition]
        return {
            key: Known(
                record=sessions.parse(state.sessions.get(key, {})),
                seen=frozenset(request_ids) & state.seen.get(key, set()),
            )
            for key, request_ids in touched.items()
        }

    async def apply(self, partition: int, token: str, change: Change, steps: Sequence[Step]) -> bool:
        state = self._owned(partition, token)
        stored = [state.places[step.topic].next_offset if step.topic in state.places else None for step in steps]
        if stored == [step.next_offset for step in steps]:
            return False
        if stored != [step.start for step in steps]:
            raise OffsetsMovedError
        self._write(state, change)
        for step in steps:
            before = state.places[step.topic]
            state.places[step.topic] = Place(
                next_offset=step.next_offset, last=step.last or before.last, epoch_ms=before.epoch_ms
            )
        return True

    async def marks(self, partition: int, kind: MarkKind) -> Marks:
        return dict(self.partitions[partition].marks[kind])

    async def settle(self, partition: int, kind: MarkKind, marks: Marks) -> None:
        stored = self.partitions[partition].marks[kind]
        for field, value in marks.items():
            if stored.get(field) == value:
                del stored[field]

    async def keep_alive(self, partitions: Sequence[int], ttl_s: int) -> None:
        self.alive |= set(partitions)

    async def of_tenant(self, tenant: str, tasks: Sequence[str]) -> TenantStatistics:
        counters = measures.total(state.counters.get(tenant, {}) for state in self.partitions)
        return TenantStatistics(
            requests=counters.get(measures.REQUESTS, 0),
            rated_sessions=counters.get(measures.RATED_SESSIONS, 0),
            tasks={
                task: measures.parse(
                    task, measures.total(state.statistics.get((tenant, task), {}) for state in self.partitions)
                )
                for task in tasks
            },
        )

    async def index(self) -> frozenset[TaskKey]:
        return frozenset(key for state in self.partitions for key in state.statistics)

    async def sums(self) -> Sums:
        keys = {key for state in self.partitions for key in (*state.statistics, *((t, "") for t in state.counters))}
        found = {key: measures.total(_of(state, key) for state in self.partitions) for key in keys}
        return {key: fields for key, fields in found.items() if fields}

    def _owned(self, partition: int, token: str) -> FakePartition:
        state = self.partitions[partition]
        if state.owner != token:
            raise LostOwnershipError
        return state

    def _write(self, state: FakePartition, change: Change) -> None:
        for key, edit in change.sessions.items():
            fields = state.sessions.setdefault(key, {}) | edit.written
            state.sessions[key] = {name: value for name, value in fields.items() if name not in edit.dropped}
            state.seen.setdefault(key, set()).update(edit.seen)
        for task_key, gains in change.statistics.items():
            sums = state.statistics.setdefault(task_key, {})
            sums.update({field: sums.get(field, 0) + gain for field, gain in gains.items()})
        for tenant, gains in change.counters.items():
            counters = state.counters.setdefault(tenant, {})
            counters.update({field: counters.get(field, 0) + gain for field, gain in gains.items()})
        self._mark(state, "dirty", [f"{tenant} {task}" for tenant, task in change.rated])
        self._mark(state, "stale", [f"{tenant} {task}" for tenant, task in change.observed])
        self._mark(state, "pool", [task for _, task in change.rated])

    def _mark(self, state: FakePartition, kind: MarkKind, fields: Sequence[str]) -> None:
        state.marks[kind] |= {field: str(next(state.changes)).encode() for field in fields}


def _of(state: FakePartition, key: TaskKey) -> dict[str, int]:
    tenant, task = key
    return state.statistics.get(key, {}) if task else state.counters.get(tenant, {})


class FakeWeights:
    """Implements `Weights`."""

    def __init__(self) -> None:
        self.stored: dict[str, bytes] = {}
        self.outbox: dict[str, list[bytes]] = {}
        self.announced: list[Changed] = []

    async def read(self, scope: str) -> Snapshot:
        stored = self.stored.get(scope)
        weights = msgspec.json.decode(stored, type=WeightsPublished) if stored else None
        return Snapshot(weights=weights, stamp=str(hash(stored)))

    async def replace(self, scope: str, read: Snapshot, new: WeightsPublished) -> bool:
        if read.stamp != str(hash(self.stored.get(scope))):
            return False
        self.stored[scope] = msgspec.json.encode(new)
        self.outbox.setdefault(scope, []).append(self.stored[scope])
        return True

    async def unsent(self, scope: str) -> Sequence[bytes]:
        return list(self.outbox.get(scope, ()))

    async def sent(self, scope: str, weights: bytes) -> None:
        self.outbox[scope].remove(weights)

    async def announce(self, changed: Changed) -> None:
        self.announced.append(changed)


class FakePolicies:
    """Implements `Policies`."""

    def __init__(self, *policies: TenantPolicy) -> None:
        self.policies = {policy.tenant: policy for policy in policies}

    async def of_tenants(self, tenants: Sequence[str]) -> dict[str, TenantPolicy]:
        return {tenant: self.policies.get(tenant, TenantPolicy(tenant=tenant)) for tenant in tenants}


class FakeRows:
    """Implements `EventRows`; raises while `away`."""

    def __init__(self) -> None:
        self.away = False
        self.tables: dict[str, list[dict[str, object]]] = {}

    async def insert(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        if self.away:
            raise LogUnavailableError
        self.tables.setdefault(table, []).extend(dict(zip(columns, row, strict=True)) for row in rows)

    async def has_rows(self, table: str, partition: int) -> bool:
        return any(row["log_partition"] == partition for row in self.tables.get(table, ()))


class FakeBenchmarks:
    """Implements `Benchmarks`: what a test sets, the shipped table before."""

    def __init__(self) -> None:
        self.table = load_priors()

    async def in_force(self) -> Priors:
        return self.table


class FakePool:
    """Implements `PoolStore`."""

    def __init__(self) -> None:
        self.stored: bytes | None = None
        self.holder: str | None = None

    async def read(self) -> PoolSnapshot:
        pool = msgspec.json.decode(self.stored, type=Pool) if self.stored else Pool()
        return PoolSnapshot(pool=pool, stamp=str(hash(self.stored)))

    async def replace(self, read: PoolSnapshot, new: Pool) -> bool:
        if read.stamp != str(hash(self.stored)):
            return False
        self.stored = msgspec.json.encode(new)
        return True

    async def lease(self, token: str, ttl_s: float) -> bool:
        self.holder = self.holder or token
        return self.holder == token
