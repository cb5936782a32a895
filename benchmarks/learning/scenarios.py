"""The experiments: each plays one world with one seed and returns shares of the gap by window of sessions."""

from collections.abc import Callable
from typing import TypeAlias

import msgspec
import numpy as np

from benchmarks.learning.market import Ledger, Market, population
from benchmarks.learning.member import Common, Settings
from benchmarks.learning.policies import always, at_random, benchmarks_only, best_affordable, best_single, raw_means
from benchmarks.learning.world import World
from libs.contracts.state import RoutingPolicy
from libs.routing.pooled_cells import MIN_SESSIONS, MIN_TENANTS, PooledTask

Figures: TypeAlias = dict[str, float]

TENANTS = 50
ROUNDS = 40
WINDOWS = {"0–5": (0, 5), "5–20": (5, 20), "20–25": (20, 25), "20–40": (20, 40)}
LATER = (20, 40)
WARM_TENANTS, WARM_ROUNDS = 40, 100
NEW_ROUNDS = 40
NEW_WINDOWS = {"0–5": (0, 5), "5–20": (5, 20), "20–40": (20, 40)}
CURVE_STEP = 5
HOSTILE = 5
DRIFT_AT, DRIFT_ROUNDS, DEGRADED = 30, 100, 0.5
DRIFT_WINDOWS = {"before": (20, 30), "0–30 after": (30, 60), "30–70 after": (60, 100)}
TASTES = (0.05, 0.3, 1.0, 3.0, 10.0, 30.0)  # How much dearer a dollar is to a tenant than usual, for the cost frontier.


class Scenario(msgspec.Struct, frozen=True):
    """A row of the table: what it is, and how to play it."""

    title: str
    play: Callable[[World, int], Figures]


def settings_of(world: World, **changes: object) -> Settings:
    """Return how the services run by default in *world*, with *changes*."""
    default = Settings(policy=RoutingPolicy(cost_weight=world.cost_weight, ramp="smooth"))
    return msgspec.structs.replace(default, **changes)


def share(ledger: Ledger, first: int, last: int) -> float:
    """Return the share of the gap that was gained in sessions *first* to *last*, over all tenants."""
    return float(ledger.gained[:, first:last].sum() / ledger.possible[:, first:last].sum())


def _windows(ledger: Ledger, windows: dict[str, tuple[int, int]]) -> Figures:
    return {name: share(ledger, *window) for name, window in windows.items()} | curve(ledger)


def curve(ledger: Ledger) -> Figures:
    """Return the share of the gap of each `CURVE_STEP` sessions, under `@` and the number of the last."""
    ends = range(CURVE_STEP, ledger.gained.shape[1] + 1, CURVE_STEP)
    return {f"@{end}": share(ledger, end - CURVE_STEP, end) for end in ends}


def _at_random(world: World, seed: int) -> Figures:
    market = Market(world, population(world, TENANTS, seed), settings_of(world, learns=False), choose=at_random)
    return _windows(market.play(ROUNDS, seed), WINDOWS)


def _single(world: World, seed: int) -> Figures:
    tenants = population(world, TENANTS, seed)
    market = Market(world, tenants, settings_of(world, learns=False), choose=always(best_single(world)))
    return _windows(market.play(ROUNDS, seed), WINDOWS)


def _benchmarks(world: World, seed: int) -> Figures:
    market = Market(world, population(world, TENANTS, seed), settings_of(world, learns=False), choose=benchmarks_only)
    return _windows(market.play(ROUNDS, seed), WINDOWS)


def _raw(*, pooled: bool) -> Callable[[World, int], Figures]:
    def play(world: World, seed: int) -> Figures:
        settings = settings_of(
            world, shares_pool=pooled, policy=RoutingPolicy(cost_weight=world.cost_weight, ramp="step")
        )
        market = Market(world, population(world, TENANTS, seed), settings, believe=raw_means)
        return _windows(market.play(ROUNDS, seed), WINDOWS)

    return play


def _ours(**changes: object) -> Callable[[World, int], Figures]:
    def play(world: World, seed: int) -> Figures:
        market = Market(world, population(world, TENANTS, seed), settings_of(world, **changes))
        return _with_honest(market.play(ROUNDS, seed))

    return play


def _step(world: World, seed: int) -> Figures:
    return _ours(policy=RoutingPolicy(cost_weight=world.cost_weight, ramp="step"))(world, seed)


def warm(world: World, seed: int) -> Common:
    """Return what a pool knows after `WARM_ROUNDS` sessions of `WARM_TENANTS` tenants."""
    market = Market(world, population(world, WARM_TENANTS, seed, prefix="w"), settings_of(world))
    market.play(WARM_ROUNDS, seed)
    return market.common


def _newcomers(world: World, seed: int) -> Figures:
    """Play new tenants on a warm pool; also what they pay at the quality of the best affordable one, as a share of its cost."""
    common, tenants = warm(world, seed), population(world, TENANTS, seed, prefix="n")
    frontier = {}
    for taste in TASTES:
        policy = RoutingPolicy(cost_weight=taste * world.cost_weight, ramp="smooth")
        market = Market(world, tenants, settings_of(world, policy=policy), common=common)
        frontier[taste] = market.play(NEW_ROUNDS, seed, fixed_pool=True)
    single = Market(world, tenants, settings_of(world, learns=False), choose=always(best_affordable(world)))
    reference = single.play(NEW_ROUNDS, seed)
    figures = {"cost": cost_ratio(list(frontier.values()), reference)}
    for name, ledger in (*((f"taste {taste}", found) for taste, found in frontier.items()), ("single", reference)):
        figures |= {f"{name} score": float(ledger.score.mean()), f"{name} dollars": float(ledger.dollars.mean())}
    return _windows(frontier[1.0], NEW_WINDOWS) | figures


def cost_ratio(frontier: list[Ledger], reference: Ledger) -> float:
    """Return dollars at the quality of *reference*, between the two points of the frontier around it, as a share of its."""
    points = sorted((float(ledger.score.mean()), float(ledger.dollars.mean())) for ledger in frontier)
    scores, dollars = zip(*points, strict=True)
    wanted = float(reference.score.mean())
    if wanted > scores[-1]:
        return float("nan")
    return float(np.interp(wanted, scores, dollars)) / float(reference.dollars.mean())


def _hostile(world: World, seed: int) -> Figures:
    """Play with hostile raters among the last tenants; only what the honest ones gain counts."""
    tenants = population(world, TENANTS, seed, hostile=HOSTILE)
    return _with_honest(Market(world, tenants, settings_of(world)).play(ROUNDS, seed))


def _with_honest(ledger: Ledger) -> Figures:
    return _windows(ledger, WINDOWS) | {"honest": share(_honest(ledger), *LATER), "later": share(ledger, *LATER)}


def _honest(ledger: Ledger) -> Ledger:
    kept = TENANTS - HOSTILE
    return Ledger(**{name: getattr(ledger, name)[:kept] for name in Ledger.__struct_fields__})


def _open(world: World, seed: int) -> Figures:
    return _ours(loosen=_without_privacy)(world, seed)


def _without_privacy(task: PooledTask) -> PooledTask:
    """Return *task* as if many tenants and sessions stood behind every cell."""
    crowd = frozenset(range(MIN_TENANTS))
    cells = {
        source: {model: msgspec.structs.replace(cell, sessions=MIN_SESSIONS) for model, cell in found.items()}
        for source, found in task.cells.items()
    }
    return msgspec.structs.replace(
        task,
        cells=cells,
        speakers={source: dict.fromkeys(found, crowd) for source, found in task.speakers.items()},
        callers=dict.fromkeys(task.callers, crowd),
    )


def _drift(world: World, seed: int) -> Figures:
    """Let the best single model silently do half as well."""
    place = best_single(world)
    scores = {task: found.copy() for task, found in world.scores.items()}
    for found in scores.values():
        found[:, place] *= DEGRADED
    drifted = msgspec.structs.replace(world, scores=scores)
    settings = settings_of(world, drifts_at=DRIFT_AT, drifted=drifted)
    market = Market(world, population(world, TENANTS, seed), settings)
    return _windows(market.play(DRIFT_ROUNDS, seed), DRIFT_WINDOWS)


SCENARIOS: dict[str, Scenario] = {
    "random": Scenario("random", _at_random),
    "single": Scenario("best single model, in hindsight", _single),
    "benchmarks": Scenario("benchmarks only", _benchmarks),
    "raw_alone": Scenario("seed table, raw means, alone", _raw(pooled=False)),
    "raw_pooled": Scenario("seed table, raw means, pooled", _raw(pooled=True)),
    "alone": Scenario("ours, alone", _ours(shares_pool=False)),
    "pooled": Scenario("ours, cold pool of 50", _ours()),
    "newcomers": Scenario("ours, new tenant on a warm pool", _newcomers),
    "step": Scenario("ours, the table's steps", _step),
    "surprise": Scenario("ours, surprise credit", _ours(credit="surprise")),
    "unjudged": Scenario("ours, without the judge", _ours(sources=frozenset({"session", "manual"}))),
    "open": Scenario("ours, without k-anonymity", _open),
    "hostile": Scenario("ours, 5 hostile of 50", _hostile),
    "drift": Scenario("ours, the best model degrades", _drift),
}
QUICK = ("random", "single", "benchmarks", "pooled")
