"""Many tenants of one world, round by round: sessions are routed, rated and learned from by the services' own functions."""

from collections.abc import Callable, Iterable, Mapping
from typing import TypeAlias

import msgspec
import numpy as np

from benchmarks.learning.member import Believe, Common, Member, Settings, shrunk
from benchmarks.learning.tenants import Tenant, Visit, draw_tenant, ratings, request_id, utilities, visits
from benchmarks.learning.world import Floats, World
from libs.routing.candidates import Requirements, RoutingRequest
from libs.routing.credit import Hop, SessionRecord
from libs.routing.operations import Operations
from libs.routing.pool import fit, pooled
from libs.routing.selection import seed_of
from libs.routing.selector import Selector
from libs.routing.statistics import Evidence, FeedbackSource, Sums, faded

SESSIONS_PER_DAY = 5  # Of each tenant.
POOL_ROUNDS = 5  # The pool is made anew after every so many sessions of each tenant, at first more often.
EARLY_POOL, EARLY_POOL_ROUNDS = 20, 2
EARLY_ROUNDS = 40  # Weights are published after each of the first sessions, then after every fifth.

Choose: TypeAlias = Callable[["Member", Visit, str], tuple[int, float]]


class Ledger(msgspec.Struct, frozen=True, kw_only=True):
    """Arrays tenants × rounds of means over hops: gain over chance, the best model's gain, true score, true dollars."""

    gained: Floats
    possible: Floats
    score: Floats
    dollars: Floats


class Market:
    """Tenants that play their sessions side by side, and the pool they share."""

    def __init__(
        self,
        world: World,
        tenants: Iterable[Tenant],
        settings: Settings,
        *,
        choose: Choose | None = None,
        believe: Believe = shrunk,
        common: Common | None = None,
    ) -> None:
        self.world = world
        self.settings = settings
        self.members = [Member(world, tenant, settings, believe) for tenant in tenants]
        self.common = common or Common()
        self._selector = Selector(world.models)
        self._choose = choose or self._route
        self._names = list(world.models)
        self._worths: dict[tuple[bool, str, str], Floats] = {}

    def play(self, rounds: int, seed: int, *, fixed_pool: bool = False) -> Ledger:
        """Play *rounds* sessions of every tenant; with *fixed_pool* these tenants add nothing to what is known together."""
        streams = [
            visits(member.tenant, rounds, np.random.default_rng([seed, place, 1]))
            for place, member in enumerate(self.members)
        ]
        ledger = np.zeros((4, len(self.members), rounds))
        for member in self.members:
            member.publish(0, self.common)
        for number in range(rounds):
            truth = self._truth(number)
            for place, (member, stream) in enumerate(zip(self.members, streams, strict=True)):
                member.day = number // SESSIONS_PER_DAY
                ledger[:, place, number] = self._play(member, next(stream), truth)
            if self.settings.learns:
                self._publish(number + 1, fixed_pool=fixed_pool)
        return Ledger(gained=ledger[0], possible=ledger[1], score=ledger[2], dollars=ledger[3])

    def _truth(self, number: int) -> World:
        at = self.settings.drifts_at
        drifted = self.settings.drifted
        return drifted if drifted is not None and at is not None and number >= at else self.world

    def _play(self, member: Member, visit: Visit, truth: World) -> Floats:
        hops, dollars, outcomes, sums = {}, {}, [], np.zeros(4)
        for place, step in enumerate(visit.steps):
            model, expected = self._choose(member, visit, step.task)
            request = request_id(place)
            hops[request] = Hop(
                request_id=request,
                task=step.task,
                model=self._names[model],
                day=member.day,
                counted=True,
                expected=expected,
            )
            dollars[request] = float(truth.costs[step.task][step.item, model])
            outcomes.append(float(truth.scores[step.task][step.item, model]))
            sums += self._worth(truth, member.tenant, step.task)[:, model]
        if self.settings.learns:
            record = SessionRecord(hops=hops, ratings=ratings(member.tenant, visit, outcomes))
            member.learn(record, dollars)
        return np.asarray(sums / len(visit.steps))

    def _worth(self, truth: World, tenant: Tenant, task: str) -> Floats:
        key = (truth is self.world, tenant.name, task)
        if key not in self._worths:
            self._worths[key] = _worth(truth, tenant, task)
        return self._worths[key]

    def _route(self, member: Member, visit: Visit, task: str) -> tuple[int, float]:
        input_tokens, output_tokens = self.world.tokens
        request = RoutingRequest(
            tenant=member.tenant.name,
            session_id=visit.session,
            task=task,
            policy=member.policy,
            requirements=Requirements(context_tokens=input_tokens),
            expected_output_tokens=output_tokens,
        )
        seed = seed_of(member.tenant.name, visit.session, task)
        decision = self._selector.decide(request, member.weights, seed=seed)
        place = self._names.index(decision.winner)
        return place, next(item.score for item in decision.candidates if item.model == decision.winner)

    def _publish(self, number: int, *, fixed_pool: bool) -> None:
        if number > EARLY_ROUNDS and number % POOL_ROUNDS:
            return
        every = EARLY_POOL_ROUNDS if number <= EARLY_POOL else POOL_ROUNDS
        if self.settings.shares_pool and not fixed_pool and number % every == 0:
            self.common = self._pooled()
        for member in self.members:
            member.publish(number, self.common)

    def _pooled(self) -> Common:
        evidence: dict[str, dict[str, Evidence]] = {task: {} for task in self.world.scores}
        charged: dict[str, dict[str, Mapping[str, Operations]]] = {task: {} for task in self.world.scores}
        for member in self.members:
            for task, cells in member.cells.items():
                evidence[task][member.tenant.name] = faded(
                    cells.items(), member.day, self.settings.policy.half_life_days
                )
                charged[task][member.tenant.name] = member.operations[task]
        loosen = self.settings.loosen or (lambda task: task)
        tasks = {task: loosen(pooled(found, charged[task])) for task, found in evidence.items()}
        return Common(
            pool=fit(tasks, self.world.priors, self.world.models),
            raw={task: _total(found.values()) for task, found in evidence.items()},
        )


def _total(parts: Iterable[Evidence]) -> Evidence:
    total: dict[tuple[str, FeedbackSource], Sums] = {}
    for evidence in parts:
        for key, sums in evidence.items():
            seen = total.get(key, Sums())
            total[key] = Sums(n=seen.n + sums.n, sum_x=seen.sum_x + sums.sum_x, sum_xx=seen.sum_xx + sums.sum_xx)
    return total


def population(world: World, count: int, seed: int, *, prefix: str = "t", hostile: int = 0) -> list[Tenant]:
    """Return *count* tenants, the last *hostile* of them hostile; the others are the same whatever that number."""
    return [
        draw_tenant(
            world,
            f"{prefix}{seed}-{place}",
            np.random.default_rng([seed, place, ord(prefix[0])]),
            hostile=place >= count - hostile,
        )
        for place in range(count)
    ]


def _worth(truth: World, tenant: Tenant, task: str) -> Floats:
    """Return per model: gain over chance, the best model's gain, mean score, mean dollars (4 × models)."""
    known = utilities(truth, tenant, task)
    items = tenant.items[task]
    return np.stack(
        [
            known - known.mean(),
            np.full(known.shape, known.max() - known.mean()),
            truth.scores[task][items].mean(axis=0),
            truth.costs[task][items].mean(axis=0),
        ]
    )
