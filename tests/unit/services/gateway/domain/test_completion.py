"""Only an answer of which every choice ended by itself is whole."""

import json

import pytest

from services.gateway.domain.completion import is_whole


@pytest.mark.parametrize(
    ("reasons", "whole"),
    [
        (["stop"], True),
        (["stop", "tool_calls", "function_call"], True),
        (["length"], False),
        (["content_filter"], False),
        (["length", "stop"], False),
        ([None], False),
        ([], False),
    ],
)
def test_each_choice_has_to_end_by_itself(reasons, whole):
    body = json.dumps({"choices": [{"message": {}, "finish_reason": reason} for reason in reasons]}).encode()
    assert whole == is_whole(body)


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b'{"choices": 1}'])
def test_what_is_no_completion_is_not_whole(body):
    assert not is_whole(body)


@pytest.mark.parametrize("choice", [{}, {"message": "hi"}, {"message": None}, {"message": {"tool_calls": ["f"]}}])
def test_a_choice_that_could_not_be_streamed_is_not_whole(choice):
    body = json.dumps({"choices": [choice | {"finish_reason": "stop"}]}).encode()
    assert not is_whole(body)
