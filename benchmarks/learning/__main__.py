"""
Measures learning on recorded outcomes: `python -m benchmarks.learning` (`--quick` for a glance).

Simulated tenants send sessions, rate some of them, and are routed by the services' own functions. A score of 0 is random
choice, 1 the best model of each tenant and task, cost included. Needs the outcome data: see `benchmarks.learning.world`.
"""

import argparse
import os
import sys
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from functools import lru_cache
from pathlib import Path

import msgspec
from rich.progress import track

from benchmarks.learning.agentic import load_agentic
from benchmarks.learning.report import Results, markdown
from benchmarks.learning.scenarios import QUICK, SCENARIOS, Figures
from benchmarks.learning.tools import load_tools
from benchmarks.learning.world import World, data_dir

WORLDS = {"agentic": load_agentic, "tools": load_tools}
NEEDED = (
    "openhands_index.parquet",
    "openhands_models.csv",
    "bfcl_2024_08.parquet",
    "zeroeval.parquet",
    "priors_long.csv",
)
SEEDS = 5


def main() -> int:
    """Play every scenario in every world with every seed; print and write what came of it."""
    arguments = _arguments()
    missing = [name for name in NEEDED if not (data_dir() / name).exists()]
    if missing:
        print(f"skipped: {data_dir()} holds no {', '.join(missing)}; set FLOOPY_BENCH_DATA", file=sys.stderr)
        return 0
    results = play(
        arguments.worlds,
        arguments.scenarios or (QUICK if arguments.quick else tuple(SCENARIOS)),
        1 if arguments.quick else arguments.seeds,
        workers=arguments.workers,
    )
    text = markdown(results)
    print(text)
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "learning.json").write_bytes(msgspec.json.format(msgspec.json.encode(results), indent=1))
    (arguments.out / "learning.md").write_text(text, encoding="utf-8")
    return 0


def play(worlds: list[str], scenarios: tuple[str, ...], seeds: int, *, workers: int) -> Results:
    """Return one value per seed of each window, scenario and world."""
    # The matrices are small: threads of the linear algebra library would only wait for each other.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    found: dict[tuple[str, str, int], Figures] = {}
    with ProcessPoolExecutor(workers) as executor:
        jobs: dict[Future[Figures], tuple[str, str, int]] = {
            executor.submit(play_one, *job): job
            for job in ((world, name, seed) for seed in range(1, seeds + 1) for world in worlds for name in scenarios)
        }
        for done in track(as_completed(jobs), total=len(jobs), description="sessions"):
            found[jobs[done]] = done.result()
    return {
        world: {name: _columns([found[world, name, seed] for seed in range(1, seeds + 1)]) for name in scenarios}
        for world in worlds
    }


def play_one(world: str, scenario: str, seed: int) -> Figures:
    """Play one scenario; the process keeps the world for the next one."""
    return SCENARIOS[scenario].play(_world(world), seed)


@lru_cache
def _world(name: str) -> World:
    return WORLDS[name](data_dir())


def _columns(rows: list[Figures]) -> dict[str, list[float]]:
    return {window: [row[window] for row in rows] for window in rows[0]}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="four policies and one seed")
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--worlds", nargs="+", choices=sorted(WORLDS), default=sorted(WORLDS))
    parser.add_argument("--scenarios", nargs="+", choices=sorted(SCENARIOS), default=())
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--out", type=Path, default=Path(".data") / "learning", help="where JSON and Markdown go")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
