"""One simulated tenant's state as the aggregator keeps it, and the estimates that the services publish from it."""

from collections.abc import Callable, Mapping
from typing import TypeAlias

import msgspec

from benchmarks.learning.tenants import Tenant
from benchmarks.learning.world import World
from libs.contracts.events import ModelEstimates, WeightsPublished
from libs.contracts.state import RoutingPolicy, TenantPolicy
from libs.routing.costs import expected_costs
from libs.routing.credit import Credit, Hop, SessionRecord, contributions
from libs.routing.operations import Operations, with_operations
from libs.routing.phases import phase_of, source_weights
from libs.routing.pool import Pool, PooledTask
from libs.routing.posterior import estimates
from libs.routing.statistics import MICRO, Cell, Evidence, Moments, add

Cells: TypeAlias = dict[str, dict[Cell, Moments]]  # by task
Loosen: TypeAlias = Callable[[PooledTask], PooledTask]


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """
    What a scenario may vary.

    *shares_pool*: tenants learn from each other. *sources* are those listened to. *loosen* changes a pooled task before it
    is used. From round *drifts_at* on, *drifted* is the world.
    """

    policy: RoutingPolicy
    credit: Credit = "copy"
    learns: bool = True
    shares_pool: bool = True
    sources: frozenset[str] = frozenset({"session", "auto", "manual"})
    loosen: Loosen | None = None
    drifts_at: int | None = None
    drifted: World | None = None


class Common(msgspec.Struct, kw_only=True):
    """What all tenants know together: the pool, and the plain sums of ratings."""

    pool: Pool = Pool()
    raw: dict[str, Evidence] = {}


class Member:
    """One tenant's state as the aggregator keeps it: cells, operations and the snapshot made from them."""

    def __init__(self, world: World, tenant: Tenant, settings: Settings, believe: "Believe") -> None:
        self.tenant = tenant
        self.settings = settings
        self.policy = TenantPolicy(
            tenant=tenant.name, routing=settings.policy, consume=settings.shares_pool, contribute=settings.shares_pool
        )
        self.cells: Cells = {task: {} for task in tenant.items}
        self.operations: dict[str, dict[str, Operations]] = {task: {} for task in tenant.items}
        self.requests = 0
        self.rated = 0
        self.day = 0
        self.world = world
        self._believe = believe
        self.weights: WeightsPublished

    def learn(self, record: SessionRecord, dollars: Mapping[str, float]) -> None:
        """Take in one finished session: its hops, its ratings, and what each hop cost."""
        for hop in record.hops.values():
            self.requests += 1
            self._charge(hop, dollars[hop.request_id])
        heard = {name: rating for name, rating in record.ratings.items() if rating.source in self.settings.sources}
        self.rated += "session:" in heard
        fresh = contributions(SessionRecord(hops=record.hops, ratings=heard), self.settings.credit)
        for task in {cell.task for cell in fresh}:
            self.cells[task] = add(self.cells[task], {cell: part for cell, part in fresh.items() if cell.task == task})

    def publish(self, version: int, common: Common) -> None:
        """Make the next snapshot."""
        self.weights = WeightsPublished(
            event_id=str(version),
            scope=self.tenant.name,
            version=version,
            published_at_ms=0,
            phase=phase_of(self.requests, self.rated),
            weights=source_weights(self.requests, self.rated, self.settings.policy.ramp),
            requests=self.requests,
            rated_sessions=self.rated,
            tasks=self._estimates(common),
        )

    def _estimates(self, common: Common) -> dict[str, dict[str, ModelEstimates]]:
        pool = common.pool if self.settings.shares_pool else Pool()
        costs = expected_costs(self.operations, pool.ratios, pool.usage, self.world.models)
        return {
            task: with_operations(found, self.operations[task], costs=costs.get(task))
            for task, found in self._believe(self, common).items()
        }

    def _charge(self, hop: Hop, dollars: float) -> None:
        seen = self.operations[hop.task].get(hop.model, Operations())
        input_tokens, output_tokens = self._usage(hop.model, dollars)
        self.operations[hop.task][hop.model] = Operations(
            requests=seen.requests + 1,
            fresh_input=seen.fresh_input + input_tokens,
            output=seen.output + output_tokens,
            cost_micro_usd=seen.cost_micro_usd + round(MICRO * dollars),
        )

    def _usage(self, model: str, dollars: float) -> tuple[int, int]:
        """Return the tokens that a charge must have come from, at the usual ratio of input to output."""
        price = self.world.models[model].price
        input_tokens, output_tokens = self.world.tokens
        listed = (price.fresh_input * input_tokens + price.output * output_tokens) / MICRO if price else 0.0
        share = dollars / listed if listed else 1.0
        return round(share * input_tokens), round(share * output_tokens)


Believe: TypeAlias = Callable[[Member, Common], dict[str, dict[str, ModelEstimates]]]


def shrunk(member: Member, common: Common) -> dict[str, dict[str, ModelEstimates]]:
    """Return the estimates that the services publish."""
    return estimates(
        member.cells,
        common.pool,
        member.world.priors,
        member.world.models,
        policy=member.policy,
        now_day=member.day,
    )
