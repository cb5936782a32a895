"""A bounded memory of texts, in the circumstances in which they were looked at."""

from libs.redaction.memory import SHORTEST, CleanTexts

LONG = "x" * SHORTEST


def test_a_text_is_known_where_it_was_looked_at():
    memory = CleanTexts()
    memory.add(LONG, "content")
    assert memory.has(LONG, "content")
    assert not memory.has(LONG, "api_key")
    assert not memory.has(LONG + "x", "content")


def test_short_texts_are_faster_searched_than_remembered():
    memory = CleanTexts()
    memory.add(LONG[1:])
    assert not memory.has(LONG[1:])


def test_the_first_is_forgotten_first():
    memory = CleanTexts(capacity=2)
    for letter in "abc":
        memory.add(letter * SHORTEST)
    assert [False, True, True] == [memory.has(letter * SHORTEST) for letter in "abc"]
