"""The same tenants and visits served and simulated: whether what the simulation learns is what the platform learns."""

import asyncio
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import numpy as np

from benchmarks.learning import stage
from benchmarks.learning.client import Session
from benchmarks.learning.market import Ledger, Market, population
from benchmarks.learning.member import Settings
from benchmarks.learning.services import serve
from benchmarks.learning.stage import Arm
from benchmarks.learning.tenants import Tenant, utilities
from benchmarks.learning.world import World


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """Ledgers of the same visits by arm, *served* by the services and *simulated*; *lost* counts what did not arrive."""

    served: dict[str, Ledger]
    simulated: dict[str, Ledger]
    hops: int
    ratings: int
    lost: dict[str, int]


def compare(
    world: World, *, tenants: int, rounds: int, seed: int, advanced: Callable[[], object] = lambda: None
) -> Comparison:
    """Play *rounds* sessions of each of *tenants* through the services and in the simulation; call *advanced* per round."""
    known = stage.servable(world)
    both = stage.arms(population(known, tenants, seed, prefix="s"))
    with tempfile.TemporaryDirectory(prefix="agent-gateway-served-", ignore_cleanup_errors=True) as folder:
        run = asyncio.run(serve(known, both, rounds=rounds, seed=seed, folder=Path(folder), advanced=advanced))
    return Comparison(
        served={arm.title: ledger_of(known, arm.tenants, run.sessions[arm.title]) for arm in both},
        simulated={arm.title: simulated(known, arm, rounds, seed) for arm in both},
        hops=run.hops,
        ratings=run.ratings,
        lost=run.lost,
    )


def ledger_of(world: World, tenants: Sequence[Tenant], played: Sequence[Sequence[Session]]) -> Ledger:
    """Return what the models that served came to, by the simulation's arithmetic; *played* holds sessions by tenant."""
    found = np.array(
        [
            [_means(world, tenant, session) for session in sessions]
            for tenant, sessions in zip(tenants, played, strict=True)
        ]
    )
    return Ledger(gained=found[..., 0], possible=found[..., 1], score=found[..., 2], dollars=found[..., 3])


def simulated(world: World, arm: Arm, rounds: int, seed: int) -> Ledger:
    """Return the ledger of *arm* in the simulation, under the policy that the services were given."""
    settings = Settings(policy=stage.policy_of(world))
    if not arm.rates:
        settings = msgspec.structs.replace(settings, shares_pool=False, sources=frozenset())
    return Market(world, arm.tenants, settings).play(rounds, seed)


def _means(world: World, tenant: Tenant, session: Session) -> list[float]:
    return [
        float(mean) for mean in np.mean([_worth(world, tenant, hop.task, hop.model) for hop in session.hops], axis=0)
    ]


def _worth(world: World, tenant: Tenant, task: str, model: int) -> list[float]:
    known, items = utilities(world, tenant, task), tenant.items[task]
    return [
        float(known[model] - known.mean()),
        float(known.max() - known.mean()),
        float(world.scores[task][items, model].mean()),
        float(world.costs[task][items, model].mean()),
    ]
