"""`make demo`: the same agents' sessions answered three ways through the running platform, compared at the end."""

import argparse
import asyncio
import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import aiohttp
import msgspec
from rich.console import Console
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from benchmarks.demo.arms import SHAPES, Arm, Tally, run_arm
from benchmarks.demo.platform import PlatformFailedError, platform
from benchmarks.demo.view import Screen, comparison, show_decision
from benchmarks.demo.world import Session, World, draw_sessions, load_world

DATA = os.environ.get("FLOOPY_BENCH_DATA", "../shared/data/routing")
PARALLEL = 4
EXPLAIN_EVERY_S = 1.0
EXPLAINED_TASK = SHAPES["swe-bench"]


def main() -> int:
    """Run the demo; return 0 when every session of every arm was answered."""
    arguments = _parser().parse_args()
    console = Console()
    world = load_world(arguments.data)
    if arguments.default_model not in world.prices:
        console.print(f"--default-model {arguments.default_model} is unknown; known: {', '.join(sorted(world.prices))}")
        return 2
    sessions = draw_sessions(world, count=arguments.sessions, rated_share=arguments.rated_share, seed=arguments.seed)
    console.print(f"{len(sessions)} sessions of {len(sessions[0].hops)} hops each. Outcomes: {world.source}.")
    folder = Path(tempfile.mkdtemp(prefix="agent-gateway-demo-"))
    try:
        asyncio.run(_run(console, world, sessions, arguments, folder))
    except PlatformFailedError as error:
        console.print(f"[red]{error}[/red]")
        return 1
    shutil.rmtree(folder)
    return 0


async def _run(
    console: Console, world: World, sessions: Sequence[Session], arguments: argparse.Namespace, folder: Path
) -> None:
    arms = (
        Arm(name="learning", tenant="learning", model="auto", rates=True),
        Arm(name="Day-0 routing", tenant="day-zero", model="auto"),
        Arm(name=f"always {arguments.default_model}", tenant="default", model=arguments.default_model),
    )
    tallies = [Tally(arm, arguments.cost_weight) for arm in arms]
    console.print("starting the platform …")
    async with platform(world, arms, data=folder, cost_weight=arguments.cost_weight) as base_url:
        await _answer(console, base_url, tallies, sessions)
        console.print(
            comparison(tallies),
            comparison(tallies, last=len(sessions) // 3),
            _hindsight(world, sessions, arguments.cost_weight),
        )
        console.print(f"utility = quality − {arguments.cost_weight} × dollars per hop")
        show_decision(console, await _decision(base_url, tallies[0]))
    if arguments.json:
        arguments.json.write_bytes(msgspec.json.format(msgspec.json.encode([_figures(tally) for tally in tallies])))


async def _answer(console: Console, base_url: str, tallies: Sequence[Tally], sessions: Sequence[Session]) -> None:
    columns = (TextColumn("sessions"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    progress = Progress(*columns, console=console)
    task = progress.add_task("sessions", total=len(sessions) * len(tallies))
    screen = Screen(tallies, progress)
    with Live(screen, console=console, refresh_per_second=4, transient=not console.is_terminal):
        watching = asyncio.create_task(_watch(base_url, tallies[0].arm, screen))
        async with asyncio.TaskGroup() as running:
            for tally in tallies:
                running.create_task(
                    run_arm(base_url, tally, sessions, parallel=PARALLEL, advanced=lambda: progress.advance(task))
                )
        watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watching


async def _watch(base_url: str, arm: Arm, screen: Screen) -> None:
    """Keep asking how a coding request of a new session would be routed: it shows the weights in use."""
    body = {"model": "auto", "messages": [{"role": "user", "content": "Fix the failing test."}]}
    request = {"request": body, "headers": {"floopy-task": EXPLAINED_TASK}}
    async with aiohttp.ClientSession(headers={"authorization": f"Bearer {arm.api_key}"}) as client:
        while True:
            async with client.post(f"{base_url}/routing/explain", json=request) as answer:
                answer.raise_for_status()
                screen.explained = await answer.json()
            await asyncio.sleep(EXPLAIN_EVERY_S)


async def _decision(base_url: str, tally: Tally) -> Mapping[str, object]:
    """Return the trace of the arm's newest decision; ClickHouse may lag a moment behind."""
    newest = tally.sessions[-1][-1].request_id
    async with (
        aiohttp.ClientSession(headers={"authorization": f"Bearer {tally.arm.api_key}"}) as client,
        asyncio.timeout(30),
    ):
        while True:
            async with client.get(f"{base_url}/decisions/{newest}") as answer:
                if answer.ok:
                    found: Mapping[str, object] = await answer.json()
                    return found
            await asyncio.sleep(0.5)


def _hindsight(world: World, sessions: Sequence[Session], cost_weight: float) -> str:
    """Return what no router could know beforehand: the best single model for these very sessions, and blind choice."""
    items = [hop.item for session in sessions for hop in session.hops]

    def utility(model: str) -> float:
        outcomes = [world.outcomes[item, model] for item in items]
        return sum(o.score - cost_weight * o.cost_usd for o in outcomes) / len(items)

    utilities = {model: utility(model) for model in world.prices}
    best = max(utilities, key=lambda model: utilities[model])
    blind = sum(utilities.values()) / len(utilities)
    return f"in hindsight: the best single model is {best} with utility {utilities[best]:.3f}; a blind choice has {blind:.3f}"


def _figures(tally: Tally) -> dict[str, object]:
    return {
        "arm": tally.arm.name,
        "sessions": len(tally.sessions),
        "ratings": tally.ratings,
        "quality": tally.quality(),
        "cost_usd": tally.cost_usd(),
        "utility": tally.utility(),
        "utility_last_third": tally.utility(len(tally.sessions) // 3),
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.demo", description=__doc__)
    parser.add_argument("--sessions", type=int, default=400, help="agents' sessions per arm (default 400)")
    parser.add_argument("--rated-share", type=float, default=0.3, help="share of sessions with a rating (default 0.3)")
    parser.add_argument(
        "--cost-weight", type=float, default=0.05, help="score points that a dollar costs (default 0.05)"
    )
    parser.add_argument("--default-model", default="claude-sonnet-4-5", help="the fixed model to compare with")
    parser.add_argument("--seed", type=int, default=1, help="draws the sessions (default 1)")
    parser.add_argument(
        "--data", type=Path, default=Path(DATA), help="folder of recorded outcomes ($FLOOPY_BENCH_DATA)"
    )
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    return parser


if __name__ == "__main__":
    sys.exit(main())
