"""N-grams go to slots in range, the same in any text, and two that differ in one place never share one."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from libs.scanner.hashing import LONGEST, NGRAM_SIZES, SLOTS, following_of, slots_of

VOCABULARY = 30_522
SENSES = np.arange(VOCABULARY, dtype=np.int32) % 1_024
TOKENS = st.integers(0, VOCABULARY - 1)
TEXTS = st.lists(TOKENS, min_size=1, max_size=40)


def slots(tokens: list[int]) -> np.ndarray:
    return slots_of(np.array(tokens, np.int32), SENSES)


@given(TEXTS)
def test_every_token_begins_one_ngram_of_each_kind(tokens: list[int]):
    found = slots(tokens)
    assert (len(NGRAM_SIZES), len(tokens)) == found.shape
    assert 0 <= found.min() <= found.max() < SLOTS


@given(TEXTS, TEXTS)
def test_an_ngram_has_the_same_slot_wherever_it_stands(before: list[int], tokens: list[int]):
    assert np.array_equal(slots(tokens), slots(before + tokens)[:, len(before) :])


@given(st.lists(TOKENS, min_size=3, max_size=3), st.integers(0, 2), TOKENS)
def test_ngrams_that_differ_in_one_place_have_different_slots(tokens: list[int], place: int, other: int):
    changed = [*tokens[:place], other, *tokens[place + 1 :]]
    for kind, size in enumerate(NGRAM_SIZES):
        by_sense = kind >= 2
        same = tokens[:size] == changed[:size] or (
            by_sense and bool(np.all(SENSES[tokens[:size]] == SENSES[changed[:size]]))
        )
        assert same == (slots(tokens)[kind, 0] == slots(changed)[kind, 0])


def test_a_token_stands_above_the_ones_after_it():
    assert [[1, 2, 3], [2, 3, 4], [3, 4, 5]] == following_of(np.arange(1, 4 + LONGEST - 1, dtype=np.int32)).tolist()
