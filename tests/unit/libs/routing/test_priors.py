"""On Day 0 every model has an estimate on every task: from public boards, else a cautious one, and sources are named."""

from datetime import date

import msgspec
import pytest

from libs.contracts.events import SourceWeights
from libs.routing.priors import ANY_TASK, LEVEL, SPREAD, VARIANCE, day0, load_priors, prior_of, standard_error_of
from libs.routing.tasks import TASKS
from tests.unit.libs.routing.builders import a_model

PRIORS = load_priors()


def mean(name: str, task: str = "chat", price: float | None = 1.0) -> float:
    return prior_of(PRIORS, a_model(name, price=price), task).mean


def test_the_table_names_its_sources_with_dates_and_known_tasks() -> None:
    assert len(PRIORS.boards) >= 15
    for board in PRIORS.boards:
        assert date.fromisoformat(board.first_date) <= date.fromisoformat(board.last_date)
        assert board.source
        assert set(board.tasks) <= set(TASKS)


def test_better_models_of_a_line_are_held_better() -> None:
    assert mean("claude-opus-4-8") > mean("claude-opus-4-1") > mean("claude-opus-3")
    assert mean("gpt-5-4") > mean("gpt-5-4-nano") > mean("gpt-3-5-turbo")


def test_a_model_may_be_better_at_one_task_than_another() -> None:
    assert len({round(mean("kimi-k2-6", task), 4) for task in TASKS}) > 3


def test_an_unmeasured_model_is_judged_by_price_cautiously_and_with_doubt() -> None:
    cheap, dear = mean("nobody-1", price=0.1), mean("nobody-1", price=20.0)
    assert cheap < dear < mean("gpt-5-4")
    assert prior_of(PRIORS, a_model("nobody-1"), "chat").variance > VARIANCE
    assert mean("nobody-1", price=None) < LEVEL


def test_a_successor_inherits_from_its_line_and_a_predecessor_does_not() -> None:
    assert mean("claude-opus-9") > mean("nobody-9")
    assert mean("claude-opus-2") == mean("nobody-2")


@pytest.mark.parametrize("task", [*TASKS, ANY_TASK])
def test_day_zero_knows_every_model_on_every_task(task: str) -> None:
    models = [a_model("gpt-5-4"), a_model("nobody-1", price=None)]
    weights = day0(PRIORS, models, now_ms=5)
    assert {"gpt-5-4", "nobody-1"} == set(weights.tasks[task])
    assert (0, "day0", SourceWeights(benchmark=1.0), 5) == (
        weights.version,
        weights.phase,
        weights.weights,
        weights.published_at_ms,
    )
    assert all(0.0 < item.benchmark.mean < 1.0 for item in weights.tasks[task].values())


def test_the_shipped_table_holds_a_standard_error_for_every_score_on_a_task():
    assert all(item.tasks.keys() == item.standard_errors.keys() for item in PRIORS.families.values())
    assert all(0.0 < error < 1.0 for item in PRIORS.families.values() for error in item.standard_errors.values())


def test_many_boards_leave_a_model_less_open_than_one():
    known = a_model("claude-opus-4-8")
    assert standard_error_of(PRIORS, known, "agentic_coding") < standard_error_of(PRIORS, known, "math")
    assert SPREAD * PRIORS.families["claude-opus-4-8"].standard_errors["math"] == standard_error_of(
        PRIORS, known, "math"
    )


def test_where_no_board_ranks_a_model_on_a_task_there_is_no_standard_error():
    assert "coding" not in PRIORS.families["gpt-3-5-turbo"].tasks
    assert standard_error_of(PRIORS, a_model("gpt-3-5-turbo"), "coding") is None
    assert standard_error_of(PRIORS, a_model("nobody-1"), "chat") is None


def test_a_standard_error_is_told_and_not_decided_by():
    families = {
        name: msgspec.structs.replace(item, standard_errors=msgspec.UNSET) for name, item in PRIORS.families.items()
    }
    silent = msgspec.structs.replace(PRIORS, families=families)
    for family in ("claude-opus-4-8", "gpt-3-5-turbo", "nobody-1"):
        model = a_model(family)
        assert [prior_of(PRIORS, model, task) for task in TASKS] == [prior_of(silent, model, task) for task in TASKS]
        assert standard_error_of(silent, model, "chat") is None
