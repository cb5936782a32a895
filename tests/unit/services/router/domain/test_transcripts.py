"""A session's conversation is told once, whether its requests repeat the history or not."""

import msgspec

from services.router.domain.transcripts import Turn, restore


def says(role: str, content: str) -> dict[str, object]:
    return {"role": role, "content": content}


def turn(sent: list[dict[str, object]], answer: dict[str, object] | None) -> Turn:
    choices = [] if answer is None else [{"message": answer}]
    return Turn(
        request_id="r",
        created_at_ms=0,
        model="small",
        provider="mock",
        request=msgspec.json.encode({"model": "auto", "messages": sent}).decode(),
        response=msgspec.json.encode({"choices": choices}).decode(),
    )


HI, HELLO, MORE, SURE = says("user", "hi"), says("assistant", "hello"), says("user", "more"), says("assistant", "sure")


def test_a_request_that_repeats_the_history_does_not_repeat_it():
    turns = [turn([HI], HELLO | {"refusal": None}), turn([HI, HELLO, MORE], SURE)]
    assert [HI, HELLO, MORE, SURE] == restore("s", turns).messages


def test_a_request_without_the_history_goes_on_from_it():
    assert [HI, HELLO, MORE, SURE] == restore("s", [turn([HI], HELLO), turn([MORE], SURE)]).messages


def test_a_turn_without_an_answer_leaves_its_question():
    restored = restore("s", [turn([HI], None)])
    assert ([HI], 1) == (restored.messages, restored.turn_count)
