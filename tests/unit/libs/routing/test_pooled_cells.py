"""Cells too small to be published still count together, by how many tenants there really are."""

from libs.routing.pool import fit
from libs.routing.pooled_cells import MIN_TENANTS, PooledTask, enough, pooled
from libs.routing.priors import load_priors
from libs.routing.statistics import Sums
from tests.unit.libs.routing.builders import a_model, catalogue

OTHERS = ("gpt-5-4-nano", "gpt-5-4-mini", "gpt-5-2", "gpt-5-1", "gpt-5", "o3")
MODELS = catalogue(*map(a_model, ("gpt-5-4", *OTHERS)))


def spoken(names: list[str], mean: float, model: str = "gpt-5-4", sessions: float = 10.0) -> PooledTask:
    sums = Sums(n=sessions, sum_x=sessions * mean, sum_xx=sessions * mean * mean)
    return pooled({name: {(model, "session"): sums} for name in names})


def test_the_same_tenants_on_two_tasks_are_not_more_tenants() -> None:
    few = [f"t{number}" for number in range(MIN_TENANTS - 2)]
    others = [f"o{number}" for number in range(MIN_TENANTS - 2)]
    assert not enough([spoken(few, 0.5), spoken(few, 0.5)], ["gpt-5-4"])
    assert enough([spoken(few, 0.5), spoken(others, 0.5)], ["gpt-5-4"])


def with_crowd(task: str, small: PooledTask) -> PooledTask:
    """The task with small cells of one model beside others that many tenants know well."""
    crowd = [spoken([f"{task}{n}" for n in range(9)], 0.6, model, sessions=500.0) for model in OTHERS]
    cells = {model: cell for part in (small, *crowd) for model, cell in part.cells["session"].items()}
    speakers = {model: found for part in (small, *crowd) for model, found in part.speakers.items()}
    return PooledTask(cells={"session": cells}, speakers=speakers)


def surplus(chat: float, coding: float) -> list[float]:
    tasks = {
        "chat": with_crowd("chat", spoken(["a", "b", "c"], chat)),
        "coding": with_crowd("coding", spoken(["d", "e", "f"], coding)),
    }
    heard = fit(tasks, load_priors(), MODELS).heard
    return [heard[task]["gpt-5-4"].pull / heard[task]["gpt-5-4"].precision for task in tasks]


def test_small_cells_are_heard_only_in_what_they_say_together() -> None:
    uneven = surplus(0.2, 1.0)
    assert abs(uneven[0] - uneven[1]) < 0.1
    assert min(surplus(0.9, 0.9)) > max(uneven) > min(uneven) > max(surplus(0.3, 0.3))
