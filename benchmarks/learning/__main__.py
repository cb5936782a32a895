"""
Measures learning on recorded outcomes: `python -m benchmarks.learning` (`--quick` for a glance).

Simulated tenants send sessions, rate some of them, and are routed by the services' own functions. A score of 0 is random
choice, 1 the best model of each tenant and task, cost included. Needs the outcome data: see `benchmarks.learning.world`.
"""

import argparse
import sys
from pathlib import Path

import msgspec

from benchmarks.learning.report import markdown
from benchmarks.learning.runs import WORLDS, play
from benchmarks.learning.scenarios import QUICK, SCENARIOS
from benchmarks.learning.world import data_dir

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
        cost_weight=arguments.cost_weight,
    )
    text = markdown(results)
    print(text)
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "learning.json").write_bytes(msgspec.json.format(msgspec.json.encode(results), indent=1))
    (arguments.out / "learning.md").write_text(text, encoding="utf-8")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="four policies and one seed")
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--worlds", nargs="+", choices=sorted(WORLDS), default=sorted(WORLDS))
    parser.add_argument("--scenarios", nargs="+", choices=sorted(SCENARIOS), default=())
    parser.add_argument("--cost-weight", type=float, help="utility lost per dollar (default: the world's own)")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path(".data") / "learning", help="where JSON and Markdown go")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
