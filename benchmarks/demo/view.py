"""What the demo shows while it runs and when it has ended."""

from collections.abc import Mapping, Sequence

from rich.console import Console, Group, RenderableType
from rich.json import JSON
from rich.panel import Panel
from rich.progress import Progress
from rich.table import Table

from benchmarks.demo.arms import RECENT_SESSIONS, Tally

SHOWN_MODELS = 8
SHOWN_CANDIDATES = 2


class Screen:
    """The live view: progress, phase and source weights, who gets the traffic, and the arms side by side."""

    def __init__(self, tallies: Sequence[Tally], progress: Progress) -> None:
        self._tallies = tallies
        self._progress = progress
        self.explained: Mapping[str, object] = {}

    def __rich__(self) -> RenderableType:
        learned = self._tallies[0]
        return Group(
            self._progress, _brain(self.explained), _traffic(learned, self.explained), comparison(self._tallies)
        )


def comparison(tallies: Sequence[Tally], last: int | None = None) -> Table:
    """Return quality, cost and utility per hop of each arm, over its *last* sessions or all."""
    span = f"last {last} sessions" if last else "all sessions"
    table = Table("", "sessions", "ratings", "quality", "cost $/hop", "utility", title=span, title_justify="left")
    for tally in tallies:
        table.add_row(
            tally.arm.name,
            str(len(tally.sessions)),
            str(tally.ratings),
            f"{tally.quality(last):.3f}",
            f"{tally.cost_usd(last):.3f}",
            f"{tally.utility(last):.3f}",
        )
    return table


def show_decision(console: Console, decision: Mapping[str, object]) -> None:
    """Print one decision as the API returns it, with its first candidates only."""
    console.print(Panel(JSON.from_data(_shortened(decision)), title=f"GET /v1/decisions/{decision['request_id']}"))
    console.print(f"[bold]{decision['explanation']}[/bold]")


def _shortened(decision: Mapping[str, object]) -> dict[str, object]:
    trace = decision["decision_trace"]
    if not isinstance(trace, Mapping):
        return dict(decision)
    candidates = trace["candidates"]
    rest = f"and {len(candidates) - SHOWN_CANDIDATES} more"
    return {**decision, "decision_trace": {**trace, "candidates": [*candidates[:SHOWN_CANDIDATES], rest]}}


def _brain(explained: Mapping[str, object]) -> Table:
    weights = explained.get("weights")
    table = Table("phase", "session", "auto", "manual", "benchmark", title="source weights", title_justify="left")
    if isinstance(weights, Mapping):
        shares = (f"{weights.get(source, 0):.0%}" for source in ("session", "auto", "manual", "benchmark"))
        table.add_row(str(explained.get("phase")), *shares)
    return table


def _traffic(tally: Tally, explained: Mapping[str, object]) -> Table:
    title = f"{tally.arm.name}: traffic of the last {RECENT_SESSIONS} sessions"
    table = Table("model", "share", "score now (agentic coding)", title=title, title_justify="left")
    share, scores = tally.share(), _scores(explained)
    for model, hops in share.most_common(SHOWN_MODELS):
        score = scores.get(model)
        table.add_row(model, f"{hops / share.total():.0%}", "" if score is None else f"{score:.3f}")
    return table


def _scores(explained: Mapping[str, object]) -> dict[str, float]:
    candidates = explained.get("candidates")
    return {c["model"]: c["score"] for c in candidates} if isinstance(candidates, list) else {}
