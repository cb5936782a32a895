"""Simulated answers depend on the question alone; recorded ones come from their table."""

from pathlib import Path

import msgspec
import pytest

from deploy.local.answers import (
    Outcome,
    Question,
    RecordedAnswers,
    WrittenAnswers,
    prompt_tokens,
    read_outcomes,
    tokens,
)

OUTCOME = Outcome(item="task-1", model="m", score=0.75, cost_usd=0.01, prompt_tokens=900, completion_tokens=40)


def question(*texts: str, model: str = "m", item: str | None = None) -> Question:
    return Question(model=model, texts=texts, item=item)


def test_the_same_question_has_the_same_answer():
    assert WrittenAnswers().answer(question("a", "b")) == WrittenAnswers().answer(question("a", "b"))


@pytest.mark.parametrize("other", [question("ab"), question("a"), question("a", "b", model="n")])
def test_another_question_or_model_has_another_answer(other: Question):
    assert WrittenAnswers().answer(question("a", "b")) != WrittenAnswers().answer(other)


def test_usage_follows_the_length_of_the_texts():
    answer = WrittenAnswers().answer(question("x" * 400))

    assert (104, tokens(answer.text)) == (answer.prompt_tokens, answer.completion_tokens)
    assert 104 == prompt_tokens(["x" * 400])


def test_a_recorded_item_is_answered_with_its_outcome():
    answer = RecordedAnswers([OUTCOME], WrittenAnswers()).answer(question("hi", item="task-1"))

    assert answer is not None
    assert (900, 40, 0.75) == (answer.prompt_tokens, answer.completion_tokens, answer.score)
    assert OUTCOME == msgspec.json.decode(answer.text, type=Outcome)


def test_an_item_that_was_not_recorded_for_the_model_has_no_answer():
    answers = RecordedAnswers([OUTCOME], WrittenAnswers())

    assert answers.answer(question("hi", model="n", item="task-1")) is None


def test_a_question_without_an_item_is_passed_on():
    assert WrittenAnswers().answer(question("hi")) == RecordedAnswers([OUTCOME], WrittenAnswers()).answer(
        question("hi")
    )


def test_a_table_is_read_from_lines_of_json(tmp_path: Path):
    table = tmp_path / "outcomes.jsonl"
    table.write_bytes(msgspec.json.encode(OUTCOME) + b"\n" + b'{"item":"i","model":"m","score":1}\n')

    assert [OUTCOME, Outcome(item="i", model="m", score=1)] == read_outcomes(table)
