"""
Measures learning on recorded outcomes: `python -m benchmarks.learning` (`--quick` for a glance, `--served` through the services).

Simulated tenants send sessions, rate some of them, and are routed by the services' own functions. A score of 0 is random
choice, 1 the best model of each tenant and task, cost included. Needs the outcome data: see `benchmarks.learning.world`.
"""

import argparse
import shlex
import sys
from pathlib import Path

import msgspec
from rich.progress import Progress

from benchmarks.learning import plots, served_report
from benchmarks.learning.report import markdown
from benchmarks.learning.runs import WORLDS, play, world_of
from benchmarks.learning.scenarios import QUICK, SCENARIOS
from benchmarks.learning.served import compare
from benchmarks.learning.world import data_dir

NEEDED = (
    "openhands_index.parquet",
    "openhands_models.csv",
    "bfcl_2024_08.parquet",
    "zeroeval.parquet",
    "priors_long.csv",
)
SEEDS = 5
SERVED_TENANTS, SERVED_ROUNDS, QUICK_ROUNDS = 10, 30, 5


def main() -> int:
    """Play every scenario in every world with every seed; print and write what came of it."""
    arguments = _arguments()
    missing = [name for name in NEEDED if not (data_dir() / name).exists()]
    if missing:
        print(f"skipped: {data_dir()} holds no {', '.join(missing)}; set FLOOPY_BENCH_DATA", file=sys.stderr)
        return 0
    arguments.out.mkdir(parents=True, exist_ok=True)
    command = shlex.join(["python", "-m", "benchmarks.learning", *sys.argv[1:]])
    return _served(arguments, command) if arguments.served else _simulated(arguments, command)


def _simulated(arguments: argparse.Namespace, command: str) -> int:
    results = play(
        arguments.worlds,
        arguments.scenarios or (QUICK if arguments.quick else tuple(SCENARIOS)),
        1 if arguments.quick else arguments.seeds,
        workers=arguments.workers,
        cost_weight=arguments.cost_weight,
    )
    text = markdown(results, command)
    print(text)
    _write(arguments.out / "learning.json", results)
    (arguments.out / "learning.md").write_text(text, encoding="utf-8")
    print(plots.drawn(results, arguments.out))
    return 0


def _served(arguments: argparse.Namespace, command: str) -> int:
    texts, figures, lost = [], {}, 0
    rounds = QUICK_ROUNDS if arguments.quick else arguments.rounds
    with Progress() as progress:
        bar = progress.add_task("served rounds", total=rounds * len(arguments.worlds))
        for name in arguments.worlds:
            world = world_of(name, arguments.cost_weight)
            found = compare(
                world, tenants=arguments.tenants, rounds=rounds, seed=1, advanced=lambda: progress.advance(bar)
            )
            texts.append(served_report.markdown(name, found, command))
            figures[name] = {"rows": served_report.rows(found), "lost": found.lost, "hops": found.hops}
            lost += sum(found.lost.values())
    print("\n".join(texts))
    _write(arguments.out / "served.json", figures)
    (arguments.out / "served.md").write_text("\n".join(texts), encoding="utf-8")
    return 1 if lost else 0


def _write(path: Path, figures: object) -> None:
    path.write_bytes(msgspec.json.format(msgspec.json.encode(figures), indent=1))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="four policies and one seed")
    parser.add_argument("--served", action="store_true", help="through the running services, beside the simulation")
    parser.add_argument("--tenants", type=int, default=SERVED_TENANTS, help="with --served, in either arm")
    parser.add_argument("--rounds", type=int, default=SERVED_ROUNDS, help="with --served: sessions of each tenant")
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--worlds", nargs="+", choices=sorted(WORLDS), default=sorted(WORLDS))
    parser.add_argument("--scenarios", nargs="+", choices=sorted(SCENARIOS), default=())
    parser.add_argument("--cost-weight", type=float, help="utility lost per dollar (default: the world's own)")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path(".data") / "learning", help="where JSON and Markdown go")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
