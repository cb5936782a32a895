"""
Does the choice get better from one rating per session? `python -m benchmarks.learning`.

Replays recorded agentic outcomes with their real costs for simulated tenants and prints the share of the gap between random
choice (0) and the best model of each tenant and task (1), cost included, as sessions go by.
"""

import argparse
import sys
from collections.abc import Callable

import numpy as np

from benchmarks.learning.simulation import (
    Choose,
    Learner,
    Settings,
    always,
    at_random,
    benchmarks_only,
    ours,
    run,
)
from benchmarks.learning.world import World, data_dir, draw_tenant, load_world
from libs.contracts.state import RoutingPolicy
from libs.routing.operations import Operations, pooled_operations
from libs.routing.pool import fit, pooled
from libs.routing.priors import blended_price
from libs.routing.statistics import Evidence, faded

WINDOWS = ((0, 5), (5, 20), (20, 40), (40, 150), (150, 300))
POOL_TENANTS = 40
POOL_SESSIONS = 100


def main() -> int:
    """Print one row per policy."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tenants", type=int, default=16)
    parser.add_argument("--cost-weight", type=float, default=0.1, help="score points lost per dollar of an attempt")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--pool", action="store_true", help="also start new tenants from a pool (a minute more)")
    arguments = parser.parse_args()
    data = data_dir()
    if not (data / "openhands_index.parquet").exists():
        print(f"{data} holds no openhands_index.parquet: set FLOOPY_BENCH_DATA", file=sys.stderr)
        return 1
    world = load_world(data)
    policy = RoutingPolicy(cost_weight=arguments.cost_weight)
    smooth = RoutingPolicy(cost_weight=arguments.cost_weight, ramp="smooth")
    frozen = Settings(policy=policy, learns=False)
    dearest = max(world.models, key=lambda name: blended_price(world.models[name]) or 0.0)

    def show(label: str, settings: Settings, choose: Callable[[np.random.Generator], Choose]) -> None:
        rows = [_play(world, settings, choose, arguments.seed, number) for number in range(arguments.tenants)]
        print(f"{label:<34}" + "".join(f"{np.mean([row[a:b] for row in rows]):>10.3f}" for a, b in WINDOWS), flush=True)

    print(f"{'sessions':<34}" + "".join(f"{f'{a}-{b}':>10}" for a, b in WINDOWS))
    show("random", frozen, at_random)
    show(f"always {dearest}", frozen, lambda _rng: always(dearest))
    show("Day 0 only", frozen, lambda _rng: benchmarks_only)
    show("learning, alone", Settings(policy=policy), lambda _rng: ours)
    show("learning, alone, smooth ramp", Settings(policy=smooth), lambda _rng: ours)
    if arguments.pool:
        show("learning, from a pool", _from_pool(world, smooth), lambda _rng: ours)
    return 0


def _play(
    world: World, settings: Settings, choose: Callable[[np.random.Generator], Choose], seed: int, number: int
) -> list[float]:
    rng = np.random.default_rng([seed, number])
    learner = Learner(world, draw_tenant(world, f"t{number}", rng), settings)
    return run(learner, choose(rng), WINDOWS[-1][1], rng)


def _from_pool(world: World, policy: RoutingPolicy) -> Settings:
    """Return the settings of a tenant that starts from what others know together after their first sessions."""
    ratings: dict[str, dict[str, Evidence]] = {task: {} for task in world.scores}
    charges: dict[str, dict[str, dict[str, Operations]]] = {task: {} for task in world.scores}
    for number in range(POOL_TENANTS):
        rng = np.random.default_rng([999, number])
        tenant = draw_tenant(world, f"p{number}", rng)
        learner = Learner(world, tenant, Settings(policy=policy))
        run(learner, ours, POOL_SESSIONS, rng)
        for task in tenant.items:
            own = [(cell, moments) for cell, moments in learner.cells.items() if cell.task == task]
            ratings[task][tenant.name] = faded(own, learner.day, policy.half_life_days)
            charges[task][tenant.name] = learner.operations[task]
    return Settings(
        policy=policy,
        pool=fit({task: pooled(found) for task, found in ratings.items()}, world.priors, world.models),
        charged={task: pooled_operations(found) for task, found in charges.items()},
    )


if __name__ == "__main__":
    sys.exit(main())
