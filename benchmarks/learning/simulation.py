"""Agents' sessions of one tenant, routed and learned from by the same pure functions that the services use."""

from collections.abc import Callable, Mapping
from typing import TypeAlias

import msgspec
import numpy as np

from benchmarks.learning.world import Tenant, World, utilities
from libs.contracts.events import ModelEstimates, SourceWeights, WeightsPublished
from libs.contracts.state import RoutingPolicy, TenantPolicy
from libs.routing.candidates import Requirements, RoutingRequest
from libs.routing.credit import Credit, Hop, Rating, SessionRecord, contributions
from libs.routing.operations import Operations, with_operations
from libs.routing.phases import phase_of, source_weights
from libs.routing.pool import Pool
from libs.routing.posterior import estimate
from libs.routing.scoring import scored
from libs.routing.selection import decide, seed_of
from libs.routing.statistics import Cell, Moments, add
from libs.routing.strategies import best_of

HOPS = 4
MAIN_TASK_SHARE = 0.75
RATED_SHARE = 0.30
RATING_NOISE = 0.15  # Standard deviation of a user's rating around the session's outcome: one and a half NPS points.
JUDGED_SHARE = 0.10
JUDGE_NOISE = 0.30
INPUT_TOKENS, OUTPUT_TOKENS = 150_000, 15_000  # Of one hop: an agent's whole attempt at an item.
SESSIONS_PER_DAY = 15

Choose: TypeAlias = Callable[["Learner", str, str], int]


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What a run may vary: the tenant's policy, how ratings are credited, what the pool knows (*charged* by task), whether it learns."""

    policy: RoutingPolicy
    credit: Credit = "copy"
    pool: Pool = Pool()
    charged: dict[str, dict[str, Operations]] = {}
    learns: bool = True


class Learner:
    """One tenant's state as the aggregator keeps it: cells, operations and the snapshot made from them."""

    def __init__(self, world: World, tenant: Tenant, settings: Settings) -> None:
        self.world = world
        self.tenant = tenant
        self.settings = settings
        self.policy = TenantPolicy(tenant=tenant.name, routing=settings.policy)
        self.cells: dict[Cell, Moments] = {}
        self.operations: dict[str, dict[str, Operations]] = {task: {} for task in tenant.items}
        self.requests = 0
        self.rated = 0
        self.day = 0
        self._estimates: dict[str, dict[str, ModelEstimates]] = {}
        self.weights = self._publish(0, tenant.items)

    def learn(self, record: SessionRecord, costs: Mapping[str, float], version: int) -> None:
        """Take in one finished session: its hops, its ratings, and what each hop cost."""
        if not self.settings.learns:
            return
        for hop in record.hops.values():
            self.requests += 1
            seen = self.operations[hop.task].get(hop.model, Operations())
            self.operations[hop.task][hop.model] = Operations(
                requests=seen.requests + 1,
                fresh_input=seen.fresh_input + INPUT_TOKENS,
                output=seen.output + OUTPUT_TOKENS,
                cost_micro_usd=seen.cost_micro_usd + round(1e6 * costs[hop.request_id]),
            )
        self.rated += "session:" in record.ratings
        self.cells = add(self.cells, contributions(record, self.settings.credit))
        self.day = version // SESSIONS_PER_DAY
        self.weights = self._publish(version, {hop.task for hop in record.hops.values()})

    def _publish(self, version: int, tasks: Mapping[str, object] | set[str]) -> WeightsPublished:
        for task in tasks:
            found = estimate(
                task,
                {cell: moments for cell, moments in self.cells.items() if cell.task == task},
                self.settings.pool,
                self.world.priors,
                self.world.models,
                policy=self.policy,
                now_day=self.day,
                elsewhere={cell: moments for cell, moments in self.cells.items() if cell.task != task},
            )
            self._estimates[task] = with_operations(
                found, self.operations[task], self.world.models, others=self.settings.charged.get(task)
            )
        return WeightsPublished(
            event_id=str(version),
            scope=self.tenant.name,
            version=version,
            published_at_ms=0,
            phase=phase_of(self.requests, self.rated),
            weights=source_weights(self.requests, self.rated, self.settings.policy.ramp),
            requests=self.requests,
            rated_sessions=self.rated,
            tasks=dict(self._estimates),
        )


def run(learner: Learner, choose: Choose, sessions: int, rng: np.random.Generator) -> list[float]:
    """
    Play *sessions* sessions; return each one's mean share of the gap between random choice and the best model.

    The best model is that of each (tenant, task), with its true mean utility: 1 is perfect, 0 is chance.
    """
    world, tenant = learner.world, learner.tenant
    truth = {task: utilities(world, tenant, task, learner.policy.routing.cost_weight) for task in tenant.items}
    names = list(world.models)
    shares = []
    for number in range(1, sessions + 1):
        session = f"{tenant.name}-{number}"
        hops: dict[str, Hop] = {}
        costs: dict[str, float] = {}
        outcomes: list[float] = []
        gained = []
        for place, task in enumerate(_tasks(tenant, rng)):
            model = choose(learner, session, task)
            item = rng.choice(tenant.items[task])
            request = f"{session}-{place}"
            expected = learner.weights.tasks[task][names[model]].benchmark.mean
            hops[request] = Hop(
                request_id=request, task=task, model=names[model], day=learner.day, counted=True, expected=expected
            )
            costs[request] = float(world.costs[task][item, model])
            outcomes.append(float(world.scores[task][item, model]))
            best, chance = truth[task].max(), truth[task].mean()
            gained.append((truth[task][model] - chance) / (best - chance))
        learner.learn(SessionRecord(hops=hops, ratings=_ratings(tenant, hops, outcomes, rng)), costs, number)
        shares.append(float(np.mean(gained)))
    return shares


def ours(learner: Learner, session: str, task: str) -> int:
    """Return the model that routing decides on."""
    request = RoutingRequest(
        tenant=learner.tenant.name,
        session_id=session,
        task=task,
        policy=learner.policy,
        requirements=Requirements(context_tokens=INPUT_TOKENS),
        expected_output_tokens=OUTPUT_TOKENS,
    )
    decision = decide(request, learner.weights, learner.world.models, seed=seed_of(learner.tenant.name, session, task))
    return list(learner.world.models).index(decision.winner)


def benchmarks_only(learner: Learner, _session: str, task: str) -> int:
    """Return the model of the highest utility on Day 0, always: `learner` must not learn."""
    policy = learner.policy.routing
    estimates = learner.weights.tasks[task]
    models = tuple(learner.world.models.values())
    return best_of(scored(models, estimates, SourceWeights(benchmark=1.0), policy, (INPUT_TOKENS, OUTPUT_TOKENS)))


def at_random(rng: np.random.Generator) -> Choose:
    """Return a policy that picks any model."""
    return lambda learner, _session, _task: int(rng.integers(len(learner.world.models)))


def always(model: str) -> Choose:
    """Return a policy that knows one model."""
    return lambda learner, _session, _task: list(learner.world.models).index(model)


def _tasks(tenant: Tenant, rng: np.random.Generator) -> list[str]:
    tasks = list(tenant.shares)
    main, side = rng.choice(len(tasks), size=2, p=list(tenant.shares.values()))
    return [tasks[main] if rng.random() < MAIN_TASK_SHARE else tasks[side] for _ in range(HOPS)]


def _ratings(
    tenant: Tenant, hops: Mapping[str, Hop], outcomes: list[float], rng: np.random.Generator
) -> dict[str, Rating]:
    found = []
    if rng.random() < RATED_SHARE:
        heard = float(np.mean(outcomes)) + tenant.harshness + rng.normal(0.0, RATING_NOISE)
        found.append(Rating(event_id="s", source="session", score=round(10 * min(1.0, max(0.0, heard))) / 10))
    for request, outcome in zip(hops, outcomes, strict=True):
        if rng.random() < JUDGED_SHARE:
            score = min(1.0, max(0.0, outcome + rng.normal(0.0, JUDGE_NOISE)))
            found.append(Rating(event_id=request, source="auto", score=score, request_id=request))
    return {rating.subject: rating for rating in found}
