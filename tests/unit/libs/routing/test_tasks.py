"""A request's shape decides its task, before its words do."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.routing.tasks import LONG_CONTEXT_TOKENS, TASKS, RequestFeatures, classify


@pytest.mark.parametrize(
    ("features", "task"),
    [
        (RequestFeatures(text="Hello there!"), "chat"),
        (
            RequestFeatures(
                text="Please fix the failing unit tests in this repository", tools=("bash", "str_replace_editor")
            ),
            "agentic_coding",
        ),
        (RequestFeatures(text="Cancel my booking", tools=("get_booking", "cancel_booking", "refund")), "tool_use"),
        (RequestFeatures(text="What is in the picture?", images=True), "vision"),
        (RequestFeatures(text="Summarise", context_tokens=LONG_CONTEXT_TOKENS), "long_context"),
        (RequestFeatures(text="```python\nprint(1)\n``` why?"), "coding"),
        (RequestFeatures(text="Extract all names", structured=True), "structured"),
        (RequestFeatures(text="Prove that the polynomial has no integer root"), "math"),
        (RequestFeatures(text="Write a poem about the sea in a warm tone"), "writing"),
        (RequestFeatures(text="Which columns of the csv should I aggregate?"), "data"),
        (RequestFeatures(text="Deduce step by step who owns the fish in this logic puzzle"), "reasoning"),
    ],
)
def test_typical_requests(features: RequestFeatures, task: str) -> None:
    assert task == classify(features)


@given(
    st.builds(
        RequestFeatures,
        text=st.text(max_size=200),
        tools=st.lists(st.text(max_size=8), max_size=3).map(tuple),
        structured=st.booleans(),
        images=st.booleans(),
        context_tokens=st.integers(0, 10**6),
    )
)
def test_any_request_has_a_task_of_the_taxonomy_and_always_the_same(features: RequestFeatures) -> None:
    assert classify(features) in TASKS
    assert classify(features) == classify(features)
