"""A string literal is read and written piece by piece as a whole one would be."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.redaction.literals import closing_quote, decoded, encoded


@given(text=st.text(), ascii_only=st.booleans(), size=st.integers(1, 7))
def test_pieces_mean_what_the_whole_means(*, text: str, ascii_only: bool, size: int):
    raw = json.dumps(text, ensure_ascii=ascii_only)[1:-1]
    start, parts = 0, []
    while start < len(raw):
        start, part = decoded(raw, start, min(len(raw), start + size))
        parts.append(part)
    joined = "".join(parts).encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
    assert text == joined
    assert text == json.loads(f'"{encoded(text)}"')


@given(st.text())
def test_the_closing_quote_is_the_first_that_is_not_escaped(text: str):
    literal = json.dumps(text)
    assert len(literal) - 1 == next(end for end in closing_quote(literal + ', "b"', 1) if end is not None)


def test_a_wall_of_quotes_is_left_now_and_then():
    assert None in list(closing_quote('\\"' * 5_000 + '"', 0))


def test_a_literal_without_end_has_none():
    assert [] == list(closing_quote('abc\\"', 0))


def test_half_a_character_stays_an_escape():
    assert "\\ud800" == encoded("\ud800")


def test_what_is_no_literal_is_refused():
    with pytest.raises(ValueError, match="JSON string"):
        decoded("a\\x", 0, 3)
