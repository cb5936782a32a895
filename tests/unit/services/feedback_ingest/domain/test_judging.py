"""The sample is stable and of the asked size; nothing but a strict score is believed; questions are bounded."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.feedback_ingest.domain import judging
from tests.unit.services.feedback_ingest.domain.test_ratings import TRANSCRIPT


@given(st.text())
def test_rates_zero_and_one_are_nobody_and_everybody(request_id: str):
    assert not judging.is_sampled(request_id, 0.0)
    assert judging.is_sampled(request_id, 1.0)


@given(st.text(), st.floats(0, 1), st.floats(0, 1))
def test_a_greater_rate_only_adds(request_id: str, one: float, other: float):
    lower, higher = sorted((one, other))
    assert judging.is_sampled(request_id, lower) <= judging.is_sampled(request_id, higher)


def test_the_sample_has_the_asked_size():
    sampled = sum(judging.is_sampled(f"request-{number}", 0.1) for number in range(10_000))
    assert 900 < sampled < 1100


@given(st.text(), st.integers(0, 100))
def test_a_clipped_text_is_bounded_and_a_short_one_whole(text: str, max_chars: int):
    clipped = judging.clipped(text, max_chars)
    assert clipped == text if len(text) <= max_chars else len(clipped) <= max(max_chars, len("\n[…]\n"))


def test_the_end_of_a_long_request_reaches_the_judge():
    question = judging.question(TRANSCRIPT, max_chars=100)
    assert judging.clipped("a" * 500 + "the question", 100).endswith("the question")
    assert question.count(TRANSCRIPT.request_id) == 4


@pytest.mark.parametrize(
    ("answer", "score"), [('{"score":0}', 0.0), ('{"score":10}', 1.0), ('{"score":7,"why":"x"}', 0.7)]
)
def test_a_strict_score_is_read(answer: str, score: float):
    assert score == judging.read_verdict(answer)


@pytest.mark.parametrize(
    "answer",
    ["", "9", "[9]", '{"score":"9"}', '{"score":11}', '{"score":true}', '{"score":NaN}', "```json", "[" * 99_999],
)
def test_anything_else_is_no_verdict(answer: str):
    with pytest.raises(judging.InvalidVerdictError):
        judging.read_verdict(answer)
