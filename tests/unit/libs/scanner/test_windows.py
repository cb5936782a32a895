"""Long texts are scored in parts that lose nothing."""

from hypothesis import given
from hypothesis import strategies as st

from libs.scanner.windows import CUT_CHARS, OVERLAP_CHARS, SIZES, cuts, windows

LENGTHS = st.integers(0, 3_000)


def spans(length: int) -> list[tuple[int, int]]:
    return [tuple(span) for span in windows(length).tolist()]


@given(LENGTHS)
def test_every_token_is_in_a_window_of_every_size(length: int):
    for size in SIZES:
        found = [(start, end) for start, end in spans(length) if end - start == min(size, length)]
        assert set(range(length)) == {token for start, end in found for token in range(start, end)}


@given(LENGTHS)
def test_windows_are_of_the_given_sizes_or_the_whole_text_and_none_is_repeated(length: int):
    found = spans(length)
    assert len(found) == len(set(found))
    assert {end - start for start, end in found} <= {*SIZES, length}


@given(LENGTHS, st.sampled_from(SIZES), st.data())
def test_a_passage_of_half_a_size_is_whole_in_a_window_of_that_size(length: int, size: int, data: st.DataObject):
    passage = min(length, size // 2)
    begin = data.draw(st.integers(0, length - passage))
    of_size = [(start, end) for start, end in spans(length) if end - start == min(size, length)]
    assert any(start <= begin and begin + passage <= end for start, end in of_size)


@given(st.integers(0, 5 * CUT_CHARS))
def test_cuts_overlap_and_hold_every_character(length: int):
    text = ("".join(map(chr, range(0x4E00, 0x4E00 + 997))) * (length // 997 + 1))[:length]
    first, *others = cuts(text)
    assert text == first + "".join(cut[OVERLAP_CHARS:] for cut in others)
    assert all(len(cut) <= CUT_CHARS for cut in (first, *others))
