"""Tenants of a world: the work they have, session by session, and how their users, judges and admins rate it."""

from collections.abc import Iterator

import msgspec
import numpy as np

from benchmarks.learning.world import Floats, World
from libs.routing.credit import Rating
from libs.routing.statistics import FeedbackSource

TASKS = 3
OWN_ITEMS = 0.5  # Share of a task's items that one tenant's work consists of.
MIN_OWN_ITEMS = 12
HOPS = 4
MAIN_TASK_SHARE = 0.75
RATED_SHARE = 0.30
RATING_NOISE = 0.15  # Standard deviation of a user's rating around the session's outcome: one and a half NPS points.
HARSHNESS = 0.10  # Standard deviation between raters.
JUDGED_SHARE = 0.20
JUDGE_FLIPS = 0.16
ADMIN_SHARE = 0.02


class Tenant(msgspec.Struct, frozen=True, kw_only=True):
    """
    One organisation: how often each task comes, the items its work consists of by task, and its rater's harshness.

    *hostile* raters, judges and admins all say the opposite of what they saw, and rate every session.
    """

    name: str
    shares: dict[str, float]
    items: dict[str, list[int]]
    harshness: float
    hostile: bool = False


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One request to come: its task and item, and whether judge (perhaps wrongly) and admin will look at it."""

    task: str
    item: int
    judged: bool
    flipped: bool
    reviewed: bool


class Visit(msgspec.Struct, frozen=True, kw_only=True):
    """One session to come; *rated* and *noise* are of its user's rating. Every policy meets the same visits."""

    session: str
    steps: tuple[Step, ...]
    rated: bool
    noise: float


def draw_tenant(world: World, name: str, rng: np.random.Generator, *, hostile: bool = False) -> Tenant:
    """Return a tenant that does `TASKS` of the world's tasks, each on a sample of its items."""
    tasks = [str(task) for task in rng.choice(sorted(world.scores), size=TASKS, replace=False)]
    shares = rng.dirichlet(np.full(TASKS, 2.0))
    return Tenant(
        name=name,
        shares={task: float(share) for task, share in zip(tasks, shares, strict=True)},
        items={task: _own_items(len(world.scores[task]), rng) for task in tasks},
        harshness=float(rng.normal(0.0, HARSHNESS)),
        hostile=hostile,
    )


def visits(tenant: Tenant, count: int, rng: np.random.Generator) -> Iterator[Visit]:
    """Yield the tenant's sessions in order."""
    tasks = list(tenant.shares)
    for number in range(count):
        main, side = rng.choice(len(tasks), size=2, p=list(tenant.shares.values()))
        yield Visit(
            session=f"{tenant.name}-{number}",
            steps=tuple(
                _step(tenant, tasks[main if rng.random() < MAIN_TASK_SHARE else side], rng) for _ in range(HOPS)
            ),
            rated=bool(rng.random() < RATED_SHARE) or tenant.hostile,
            noise=float(rng.normal(0.0, RATING_NOISE)),
        )


def ratings(tenant: Tenant, visit: Visit, outcomes: list[float]) -> dict[str, Rating]:
    """Return what is said of a session whose steps came to *outcomes*, by subject."""
    found = []
    if visit.rated:
        heard = _heard(tenant, float(np.mean(outcomes))) + tenant.harshness + visit.noise
        found.append(Rating(event_id="s", source="session", score=round(10 * min(1.0, max(0.0, heard))) / 10))
    for place, (step, outcome) in enumerate(zip(visit.steps, outcomes, strict=True)):
        if step.judged:
            found.append(_of_step(place, "auto", _heard(tenant, 1.0 - outcome if step.flipped else outcome)))
        if step.reviewed:
            found.append(_of_step(place, "manual", _heard(tenant, outcome)))
    return {rating.subject: rating for rating in found}


def utilities(world: World, tenant: Tenant, task: str) -> Floats:
    """Return the true mean utility of each model for one tenant and task."""
    chosen = tenant.items[task]
    return np.asarray((world.scores[task][chosen] - world.cost_weight * world.costs[task][chosen]).mean(axis=0))


def request_id(place: int) -> str:
    """Return the request id of the step at *place* of its session."""
    return f"r{place}"


def _own_items(total: int, rng: np.random.Generator) -> list[int]:
    size = min(total, max(MIN_OWN_ITEMS, int(OWN_ITEMS * total)))
    return [int(item) for item in rng.choice(total, size=size, replace=False)]


def _step(tenant: Tenant, task: str, rng: np.random.Generator) -> Step:
    items = tenant.items[task]
    judged, flipped, reviewed = rng.random(3) < (JUDGED_SHARE, JUDGE_FLIPS, ADMIN_SHARE)
    return Step(
        task=task,
        item=items[int(rng.integers(len(items)))],
        judged=bool(judged),
        flipped=bool(flipped),
        reviewed=bool(reviewed),
    )


def _of_step(place: int, source: FeedbackSource, score: float) -> Rating:
    request = request_id(place)
    return Rating(event_id=f"{source}-{request}", source=source, score=score, request_id=request)


def _heard(tenant: Tenant, outcome: float) -> float:
    return 1.0 - outcome if tenant.hostile else outcome
