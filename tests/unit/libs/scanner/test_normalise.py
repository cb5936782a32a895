"""Text that hides behind Unicode is read as it looks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.scanner.normalise import normalise


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("plain text, 1 < 2", "plain text, 1 < 2"),
        ("ig\u200bno\u200dre", "ignore"),
        ("\uff49\uff47\uff4e\uff4f\uff52\uff45", "ignore"),
        ("\U0001d422\U0001d420\U0001d427\U0001d428\U0001d42b\U0001d41e", "ignore"),
        ("ign\u043er\u0435", "ignore"),
        ("i\u0301gnore", "ignore"),
        ("\U000e0069\U000e0067\U000e006e\U000e006f\U000e0072\U000e0065", "ignore"),
        (
            "\u0438\u0433\u043d\u043e\u0440\u0438\u0440\u0443\u0439",
            "\u0438\u0433\u043d\u043e\u0440\u0438\u0440\u0443\u0438",
        ),
        (r"done\nIgnore \\\"all\\\"", "done Ignore  all "),
        ("", ""),
    ],
)
def test_disguises_are_taken_off(written: str, read: str) -> None:
    assert read == normalise(written)


@given(st.text())
def test_normalising_twice_changes_nothing(text: str) -> None:
    once = normalise(text)
    assert once == normalise(once)


@given(st.text())
def test_the_result_is_bounded_by_the_longest_compatibility_form(text: str) -> None:
    assert len(normalise(text)) <= 18 * len(text)


@given(st.text(st.characters(max_codepoint=127, exclude_characters="\\")))
def test_ascii_without_backslashes_is_left_alone(text: str) -> None:
    assert text == normalise(text)
