"""What the aggregator needs from the outside: its learning state, the weights, policies, the pool, and the log in ClickHouse."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Literal, Protocol, TypeAlias

import msgspec

from libs.contracts.events import WeightsPublished
from libs.contracts.state import Changed, TenantPolicy
from libs.routing.pool import Pool
from libs.routing.priors import Priors
from services.aggregator.domain.change import Change, SessionKey, TaskKey
from services.aggregator.domain.folding import Known
from services.aggregator.domain.measures import TenantStatistics
from services.aggregator.domain.places import Fingerprint, Place

MarkKind: TypeAlias = Literal["dirty", "stale", "pool"]
Marks: TypeAlias = Mapping[str, bytes]
Sums: TypeAlias = Mapping[TaskKey, Mapping[str, int]]
"""(tenant, task) → field → integer other than 0; a tenant's counters stand under task `COUNTERS`."""


class LostOwnershipError(Exception):
    """Another process has claimed the partition: what this one holds of it is void."""


class OffsetsMovedError(Exception):
    """The stored offsets are not those that the batch follows: read them again and seek."""


class LogUnavailableError(Exception):
    """ClickHouse cannot be reached now; the same call may succeed later."""


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """How far one topic's log advances with a batch: from *start* to *next_offset*; *last* is its last good record."""

    topic: str
    start: int
    next_offset: int
    last: Fingerprint | None = None


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """The weights of a scope as they stand, None before the first; *stamp* tells whether they were replaced since."""

    weights: WeightsPublished | None
    stamp: str


class LearningState(Protocol):
    """The state of the learner's partitions, each owned by one process at a time."""

    async def claim(self, partition: int, token: str) -> dict[str, Place]:
        """Make *token* the owner, so that no earlier owner can write any more, and return topic → place."""

    async def begin(self, partition: int, token: str, begun: Mapping[str, Place]) -> None:
        """Set the places of topics that are not resumed where they stood; raises `LostOwnershipError`."""

    async def places(self, partition: int) -> dict[str, Place]:
        """Return topic → place."""

    async def load(self, partition: int, touched: Mapping[SessionKey, Sequence[str]]) -> dict[SessionKey, Known]:
        """Return what is known of sessions; *touched* maps each to the request ids that are being looked for."""

    async def apply(self, partition: int, token: str, change: Change, steps: Sequence[Step]) -> bool:
        """
        Make *change* and the new offsets durable, both or neither; False when this very batch was applied before.

        Raises `LostOwnershipError` and `OffsetsMovedError`.
        """

    async def marks(self, partition: int, kind: MarkKind) -> Marks:
        """Return what is marked for recomputation: `"<tenant> <task>"` (task `COUNTERS` for these; kind `pool`: task) → a value that renewal changes."""

    async def settle(self, partition: int, kind: MarkKind, marks: Marks) -> None:
        """Take *marks* away, except those that were renewed since they were read."""

    async def keep_alive(self, partitions: Sequence[int], ttl_s: int) -> None:
        """Show that *partitions* have a running owner."""

    async def forget(self, partition: int) -> None:
        """Drop everything known of *partition* except who owns it."""

    async def is_alive(self, partition: int) -> bool:
        """Say whether a running owner has shown itself lately."""

    async def is_owned(self, partition: int, token: str) -> bool:
        """Say whether *token* still owns *partition*."""


class Statistics(Protocol):
    """The sums of all partitions together."""

    async def of_tenant(self, tenant: str, tasks: Sequence[str]) -> TenantStatistics:
        """Return the counters of *tenant* and its sums for *tasks*."""

    async def index(self) -> frozenset[TaskKey]:
        """Return every (tenant, task) that has ever been observed."""

    async def sums(self) -> Sums:
        """Return everything."""


class Weights(Protocol):
    """Published weights by scope (a tenant or the pool)."""

    async def read(self, scope: str) -> Snapshot:
        """Return the scope's weights."""

    async def replace(self, scope: str, read: Snapshot, new: WeightsPublished) -> bool:
        """Publish *new* in place of *read*, or return False when somebody else has published since."""

    async def unsent(self, scope: str) -> Sequence[bytes]:
        """Return published weights (JSON) that may not be in the log yet, oldest first."""

    async def sent(self, scope: str, weights: bytes) -> None:
        """Note that *weights* are in the log."""

    async def announce(self, changed: Changed) -> None:
        """Tell gateways."""


class PoolSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """The pool as it stands; *stamp* tells whether it was replaced since."""

    pool: Pool
    stamp: str


class PoolStore(Protocol):
    """The shared pool, and the lease of the one process that recomputes it."""

    async def read(self) -> PoolSnapshot:
        """Return the pool, empty before the first."""

    async def replace(self, read: PoolSnapshot, new: Pool) -> bool:
        """Store *new* in place of *read*, or return False when somebody else has stored one since."""

    async def lease(self, token: str, ttl_s: float) -> bool:
        """Take or renew the lease for *ttl_s*, or return False while another process holds it."""


class Benchmarks(Protocol):
    """The Day-0 table in force."""

    async def in_force(self) -> Priors:
        """Return the table: the very object until another one is loaded."""


class Policies(Protocol):
    """Tenants' policies."""

    async def of_tenants(self, tenants: Sequence[str]) -> dict[str, TenantPolicy]:
        """Return the policy of each of *tenants*: the defaults where none is set."""


class EventRows(Protocol):
    """Rows in, for the sink; a table has the name of its topic."""

    async def insert(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """Store *rows*, all or none; raises `LogUnavailableError`."""

    async def has_rows(self, table: str, partition: int) -> bool:
        """Say whether *table* has anything of *partition*."""


class LoggedEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One event of the log as ClickHouse has it."""

    topic: str
    value: bytes


class EventLog(Protocol):
    """The log out again, for rebuilding and verifying."""

    def events(self, partition: int) -> AsyncIterator[Sequence[LoggedEvent]]:
        """Yield the requests and feedback of one partition in chunks, in any order."""

    async def count(self, partition: int) -> int:
        """Return how many events `events` will yield."""

    async def places(self, partition: int) -> dict[str, Place]:
        """Return topic → where its log continues after the rows stored."""

    async def newest_weights(self) -> Sequence[WeightsPublished]:
        """Return the newest weights of every scope."""

    async def sums(self, applied: Mapping[int, Mapping[str, Place]]) -> Sums:
        """Return the sums over the rows that *applied* (partition → topic → place) says are applied."""
