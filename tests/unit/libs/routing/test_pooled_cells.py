"""Cells too small to be published still count together, by how many tenants there really are."""

from libs.routing.pool import fit
from libs.routing.pooled_cells import MIN_TENANTS, PooledTask, enough, pooled
from libs.routing.priors import load_priors
from libs.routing.statistics import Evidence, FeedbackSource, Sums
from tests.unit.libs.routing.builders import a_model, catalogue

OTHERS = ("gpt-5-4-nano", "gpt-5-4-mini", "gpt-5-2", "gpt-5-1", "gpt-5", "o3")
MODELS = catalogue(*map(a_model, ("gpt-5-4", *OTHERS)))


def said_of(model: str, mean: float, n: float, source: FeedbackSource = "session") -> Evidence:
    return {(model, source): Sums(n=n, sum_x=n * mean, sum_xx=n * mean * mean)}


def spoken(names: list[str], mean: float) -> PooledTask:
    return pooled({name: said_of("gpt-5-4", mean, 10.0) for name in names})


def test_the_same_tenants_on_two_tasks_are_not_more_tenants() -> None:
    few = [f"t{number}" for number in range(MIN_TENANTS - 2)]
    others = [f"o{number}" for number in range(MIN_TENANTS - 2)]
    assert not enough([spoken(few, 0.5), spoken(few, 0.5)], ["gpt-5-4"])
    assert enough([spoken(few, 0.5), spoken(others, 0.5)], ["gpt-5-4"])


def with_crowd(task: str, names: list[str], mean: float) -> PooledTask:
    """A task on which a few tenants speak of one model, and many of others."""
    said = {name: said_of("gpt-5-4", mean, 10.0) for name in names}
    crowd = {f"{task}{n}": {k: v for model in OTHERS for k, v in said_of(model, 0.6, 500.0).items()} for n in range(9)}
    return pooled({**said, **crowd})


def surplus(chat: float, coding: float) -> list[float]:
    tasks = {
        "chat": with_crowd("chat", ["a", "b", "c"], chat),
        "coding": with_crowd("coding", ["d", "e", "f"], coding),
    }
    heard = fit(tasks, load_priors(), MODELS).heard
    return [heard[task]["gpt-5-4"].pull / heard[task]["gpt-5-4"].precision for task in tasks]


def test_small_cells_are_heard_only_in_what_they_say_together() -> None:
    uneven = surplus(0.2, 1.0)
    assert abs(uneven[0] - uneven[1]) < 0.1
    assert min(surplus(0.9, 0.9)) > max(uneven) > min(uneven) > max(surplus(0.3, 0.3))
