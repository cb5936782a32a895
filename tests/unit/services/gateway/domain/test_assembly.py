"""An answer means the same as a whole and as a stream, whichever way it is turned."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.domain.assembly import DONE, as_stream, assembled

text = st.text(st.characters(codec="utf-8"), max_size=12)
calls = st.lists(
    st.builds(
        lambda name, arguments: {
            "id": f"call_{name}",
            "type": "function",
            "function": {"name": name, "arguments": arguments},
        },
        text,
        text,
    ),
    min_size=1,
    max_size=3,
)
messages = st.builds(
    lambda content, tool_calls: (
        {"role": "assistant", "content": content} | ({"tool_calls": tool_calls} if tool_calls else {})
    ),
    st.none() | text,
    st.none() | calls,
)
reasons = st.sampled_from(["stop", "length", "tool_calls", None])


@st.composite
def completions(draw: st.DrawFn) -> dict[str, Any]:
    found = draw(st.lists(st.tuples(messages, reasons), min_size=1, max_size=3))
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "usage": {"prompt_tokens": 1, "completion_tokens": 2},
        "choices": [
            {"index": index, "message": message, "logprobs": None, "finish_reason": reason}
            for index, (message, reason) in enumerate(found)
        ],
    }


@given(completions())
def test_a_completion_survives_being_streamed(completion):
    stream = as_stream(json.dumps(completion).encode(), with_usage=True)
    assert stream.endswith(DONE)
    assert completion == json.loads(assembled(stream))


@given(completions())
def test_the_usage_chunk_comes_only_when_asked_for(completion):
    stream = as_stream(json.dumps(completion).encode(), with_usage=False)
    assert b"prompt_tokens" not in stream
    assert completion["choices"] == json.loads(assembled(stream))["choices"]


def chunk(delta: dict[str, Any], index: int = 0, reason: str | None = None, **fields: Any) -> bytes:
    choice = {"index": index, "delta": delta, "finish_reason": reason} | fields
    return (
        b"data: " + json.dumps({"id": "c", "object": "chat.completion.chunk", "choices": [choice]}).encode() + b"\n\n"
    )


def test_pieces_of_text_arguments_and_log_probabilities_are_joined():
    stream = b"".join(
        [
            b": a comment\n\n",
            chunk({"role": "assistant", "content": ""}, logprobs={"content": [{"token": "a"}]}),
            chunk({"content": "Hel"}, logprobs={"content": [{"token": "b"}]}),
            chunk({"content": "lo"}),
            chunk(
                {
                    "tool_calls": [
                        {"index": 0, "id": "x", "type": "function", "function": {"name": "f", "arguments": ""}}
                    ]
                }
            ),
            chunk({"tool_calls": [{"index": 0, "function": {"arguments": '{"a"'}}]}),
            chunk({"tool_calls": [{"index": 0, "function": {"arguments": ":1}"}}]}),
            chunk({}, reason="tool_calls"),
            DONE,
        ]
    )
    choice = json.loads(assembled(stream))["choices"][0]
    assert {
        "role": "assistant",
        "content": "Hello",
        "tool_calls": [{"id": "x", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}],
    } == choice["message"]
    assert ("tool_calls", [{"token": "a"}, {"token": "b"}]) == (choice["finish_reason"], choice["logprobs"]["content"])


@pytest.mark.parametrize(
    "calls", ["f", {"0": {}}, [None], [{"index": None}], [{"index": "0"}], [{"index": 0, "function": "f"}]]
)
def test_tool_calls_of_another_shape_amount_to_nothing(calls):
    assert assembled(chunk({"tool_calls": calls}, reason="tool_calls")) is None


@pytest.mark.parametrize("stream", [b"", DONE, b"data: {\n\n", b'data: {"error": {}}\n\n', b"data: 7\n\n"])
def test_what_is_no_stream_of_chunks_amounts_to_nothing(stream):
    assert assembled(stream) is None
