"""Every scenario, world and seed as a job of its own, over processes that keep their worlds."""

import os
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from functools import lru_cache
from multiprocessing import get_context

import msgspec
from rich.progress import track

from benchmarks.learning.agentic import load_agentic, load_frugal
from benchmarks.learning.report import Results
from benchmarks.learning.scenarios import SCENARIOS, Figures
from benchmarks.learning.tools import load_tools
from benchmarks.learning.world import World, data_dir

WORLDS = {"agentic": load_agentic, "tools": load_tools, "frugal": load_frugal}


def play(
    worlds: list[str], scenarios: tuple[str, ...], seeds: int, *, workers: int, cost_weight: float | None = None
) -> Results:
    """Return one value per seed of each window, scenario and world."""
    # The matrices are small: threads of the linear algebra library would only wait for each other. It reads this when a
    # process imports it, hence spawn.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    found: dict[tuple[str, str, int], Figures] = {}
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as executor:
        jobs: dict[Future[Figures], tuple[str, str, int]] = {
            executor.submit(play_one, *job, cost_weight): job
            for job in ((world, name, seed) for seed in range(1, seeds + 1) for world in worlds for name in scenarios)
        }
        for done in track(as_completed(jobs), total=len(jobs), description="sessions"):
            found[jobs[done]] = done.result()
    return {
        world: {name: _columns([found[world, name, seed] for seed in range(1, seeds + 1)]) for name in scenarios}
        for world in worlds
    }


def play_one(world: str, scenario: str, seed: int, cost_weight: float | None = None) -> Figures:
    """Play one scenario; the process keeps the world for the next one."""
    return SCENARIOS[scenario].play(world_of(world, cost_weight), seed)


@lru_cache
def world_of(name: str, cost_weight: float | None) -> World:
    """Return a world, with another *cost_weight* where one is given; it is read once."""
    world = WORLDS[name](data_dir())
    return world if cost_weight is None else msgspec.structs.replace(world, cost_weight=cost_weight)


def _columns(rows: list[Figures]) -> dict[str, list[float]]:
    return {window: [row[window] for row in rows] for window in rows[0]}
