"""Long texts are scored in parts that lose nothing."""

from hypothesis import given
from hypothesis import strategies as st

from libs.scanner.windows import CUT_CHARS, OVERLAP_CHARS, STEP_TOKENS, WINDOW_TOKENS, cuts, windows


@given(st.integers(0, 20_000))
def test_every_token_is_in_a_window_and_windows_are_equal(length: int) -> None:
    ranges = windows(length)
    assert set(range(length)) == {token for start, end in ranges for token in range(start, end)}
    assert {min(length, WINDOW_TOKENS)} == {end - start for start, end in ranges}


@given(st.integers(0, 5_000), st.data())
def test_a_short_passage_is_whole_in_one_window(length: int, data: st.DataObject) -> None:
    passage = min(length, WINDOW_TOKENS - STEP_TOKENS)
    begin = data.draw(st.integers(0, length - passage))
    assert any(start <= begin and begin + passage <= end for start, end in windows(length))


@given(st.integers(0, 5 * CUT_CHARS))
def test_cuts_overlap_and_hold_every_character(length: int) -> None:
    text = "".join(map(chr, range(0x4E00, 0x4E00 + 997))) * (length // 997 + 1)
    text = text[:length]
    first, *others = cuts(text)
    assert text == first + "".join(cut[OVERLAP_CHARS:] for cut in others)
    assert all(len(cut) <= CUT_CHARS for cut in (first, *others))
