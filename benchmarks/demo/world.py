"""
The world the demo's agents live in: items with a known outcome and cost for every model.

Recorded outcomes are read from `$FLOOPY_BENCH_DATA` (default `../shared/data/routing`); without them the published accuracies in
`benchmarks/data/openhands_accuracies.json` stand in, each outcome drawn once by hash and then fixed.
"""

import hashlib
import random
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

import msgspec

FACTS = Path(__file__).parents[1] / "data" / "openhands_accuracies.json"
TASKS = ("gaia", "swe-bench", "swe-bench-multimodal", "swt-bench")
HOPS = 4
MAIN_TASK_SHARE = 0.75


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What one model achieved on one item: *score* in [0, 1] and what it cost."""

    score: float
    cost_usd: float


class ListPrice(msgspec.Struct, frozen=True, kw_only=True):
    """US dollars per million tokens."""

    input: float
    output: float


class World(msgspec.Struct, frozen=True, kw_only=True):
    """Every item of every task with the outcome of every model; *source* says where the outcomes come from."""

    source: str
    prices: Mapping[str, ListPrice]
    items: Mapping[str, tuple[str, ...]]
    outcomes: Mapping[tuple[str, str], Outcome]


class Hop(msgspec.Struct, frozen=True, kw_only=True):
    """One request of an agent's session."""

    task: str
    item: str


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """One agent session: its hops, and the noise of its rating (None: the user does not rate)."""

    session_id: str
    hops: tuple[Hop, ...]
    rating_noise: float | None


def load_world(data: Path) -> World:
    """Return the recorded world where *data* holds it, else the published one."""
    facts = msgspec.json.decode(FACTS.read_bytes(), type=_Facts)
    outcomes = data / "openhands_index.parquet"
    return _recorded(outcomes, facts) if outcomes.exists() else _published(facts)


def draw_sessions(world: World, *, count: int, rated_share: float, seed: int) -> tuple[Session, ...]:
    """Return *count* sessions of `HOPS` hops on two tasks each, a *rated_share* of them with a noisy, sometimes harsh rater."""
    rng = random.Random(seed)
    return tuple(_session(world, index, rated_share, rng) for index in range(count))


def nps(session: Session, scores: list[float]) -> int | None:
    """Return the 0–10 rating of a session whose hops scored *scores*, or None where its user does not rate."""
    if session.rating_noise is None:
        return None
    return max(0, min(10, round(10 * (sum(scores) / len(scores)) + session.rating_noise)))


def _session(world: World, index: int, rated_share: float, rng: random.Random) -> Session:
    main, side = rng.choice(TASKS), rng.choice(TASKS)
    tasks = [main if rng.random() < MAIN_TASK_SHARE else side for _ in range(HOPS)]
    hops = tuple(Hop(task=task, item=rng.choice(world.items[task])) for task in tasks)
    rated = rng.random() < rated_share
    return Session(session_id=f"s{index:05d}", hops=hops, rating_noise=rng.gauss(0.0, 1.5) if rated else None)


class _TaskFacts(msgspec.Struct, frozen=True):
    instances: int
    accuracy: float
    cost_usd: float


class _ModelFacts(msgspec.Struct, frozen=True):
    input_price: float
    output_price: float
    tasks: dict[str, _TaskFacts]


class _Facts(msgspec.Struct, frozen=True):
    source: str
    dates: str
    models: dict[str, _ModelFacts]


def _prices(facts: _Facts) -> dict[str, ListPrice]:
    return {name: ListPrice(input=m.input_price, output=m.output_price) for name, m in facts.models.items()}


def _recorded(path: Path, facts: _Facts) -> World:
    import pyarrow.parquet as pq  # noqa: PLC0415 - a development dependency that the published world does without

    found: dict[str, dict[str, dict[str, Outcome]]] = defaultdict(lambda: defaultdict(dict))
    for row in pq.read_table(path).to_pylist():
        known = row["score"] is not None and row["cost"] is not None
        if row["model"] in facts.models and row["task"] in TASKS and known:
            outcome = Outcome(score=row["score"], cost_usd=row["cost"])
            found[row["task"]][f"{row['task']}/{row['item']}"][row["model"]] = outcome
    complete = {task: {i: o for i, o in items.items() if len(o) == len(facts.models)} for task, items in found.items()}
    return World(
        source=f"{facts.source}, recorded per item ({facts.dates})",
        prices=_prices(facts),
        items={task: tuple(sorted(complete[task])) for task in TASKS},
        outcomes={
            (item, m): o for items in complete.values() for item, by_model in items.items() for m, o in by_model.items()
        },
    )


def _published(facts: _Facts) -> World:
    items = {task: tuple(f"{task}/{n}" for n in range(400)) for task in TASKS}
    return World(
        source=f"{facts.source}, published accuracies ({facts.dates}); outcomes drawn",
        prices=_prices(facts),
        items=items,
        outcomes={
            (item, model): Outcome(
                score=float(_uniform(item, model) < of.tasks[task].accuracy), cost_usd=of.tasks[task].cost_usd
            )
            for model, of in facts.models.items()
            for task in TASKS
            for item in items[task]
        },
    )


def _uniform(*parts: str) -> float:
    return int.from_bytes(hashlib.sha256("\x1f".join(parts).encode()).digest()[:8], "big") / 2**64
