"""Pieces are the text, and no value is cut through."""

from hypothesis import given
from hypothesis import strategies as st

from libs.redaction.pieces import LONGEST, USUAL, pieces

WORDS = st.lists(st.sampled_from(["word ", "a, b", "\n", "1234 ", "x" * 700, "名前", '{"a":"b"},', "\\n"]), max_size=40)


@given(WORDS, st.integers(1, 40))
def test_pieces_are_the_text(words: list[str], times: int):
    text = "".join(words) * times
    parts = list(pieces(text))
    assert text == "".join(parts)
    assert all(0 < len(part) <= LONGEST for part in parts)


def test_a_value_stays_whole_in_prose():
    sentence = "please pay to DE89 3704 0044 0532 0130 00 today or call +49 30 901820 right away "
    for shift in range(len(sentence)):
        text = "x" * shift + " " + sentence * (3 * USUAL // len(sentence))
        assert text.count("DE89 3704 0044 0532 0130 00") == sum(
            p.count("DE89 3704 0044 0532 0130 00") for p in pieces(text)
        )


def test_an_armoured_key_stays_whole():
    key = (
        "-----BEGIN RSA PRIVATE KEY-----\n"
        + ("MIIEpAIBAAKCAQEA7x0d9fJk2lqW" * 2 + "\n") * 60
        + "-----END RSA PRIVATE KEY-----"
    )
    text = "a line\n" * 250 + key + "\nmore" * 1000
    assert any(key in piece for piece in pieces(text))
