"""The official SDKs, unmodified, get answers from a model that the platform chose, and the trace of the choice."""

from typing import Any
from uuid import UUID

import pytest
from floopy import FloopyNotFoundError
from openai import AuthenticationError, OpenAI

from tests.e2e.platform import Platform
from tests.support.process import wait_until

QUESTION: Any = [{"role": "user", "content": "What is the capital of France?"}]

TOOLS: Any = [
    {
        "type": "function",
        "function": {
            "name": "lookup",
            "description": "Look a fact up.",
            "parameters": {"type": "object", "properties": {}},
        },
    }
]


@pytest.fixture
def client(platform: Platform) -> OpenAI:
    return platform.openai()


def test_a_plain_answer_says_who_gave_it(client: OpenAI, session_id: str):
    raw = client.chat.completions.with_raw_response.create(
        model="auto", messages=QUESTION, extra_headers={"floopy-session-id": session_id}
    )
    completion = raw.parse()
    assert completion.choices[0].message.content
    assert completion.usage is not None
    assert raw.headers["floopy-model"] == completion.model
    assert session_id == raw.headers["floopy-session-id"]
    assert UUID(raw.headers["x-request-id"]).version == 4


def test_a_streamed_answer_is_whole(client: OpenAI):
    chunks = list(client.chat.completions.create(model="auto", messages=QUESTION, stream=True))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert "stop" == [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1]
    assert [] == [chunk for chunk in chunks if chunk.usage is not None]


def test_a_streamed_answer_tells_its_usage_to_those_who_ask(client: OpenAI):
    chunks = list(
        client.chat.completions.create(
            model="auto", messages=QUESTION, stream=True, stream_options={"include_usage": True}
        )
    )
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.total_tokens > 0


def test_models_are_listed(client: OpenAI):
    assert {"gpt-4o-mini", "claude-haiku-4-5"} <= {model.id.rpartition("/")[2] for model in client.models.list()}


def test_an_open_tool_loop_keeps_its_model(client: OpenAI, session_id: str):
    def served(messages: Any) -> str:
        headers = {"floopy-session-id": session_id}
        return client.chat.completions.create(model="auto", messages=messages, tools=TOOLS, extra_headers=headers).model

    messages = list(QUESTION)
    first = served(messages)
    for number in range(4):
        call = {"id": f"call-{number}", "type": "function", "function": {"name": "lookup", "arguments": "{}"}}
        messages += [
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": f"call-{number}", "content": "Paris is the capital of France."},
        ]
        assert first == served(messages)


@pytest.mark.parametrize("words", ["Hello", "Hello.", "Thanks a lot!", "Please say hello.", "What is 17 times 3?"])
def test_small_talk_passes_the_firewall(client: OpenAI, words: str):
    assert client.chat.completions.create(model="auto", messages=[{"role": "user", "content": words}]).choices


def test_a_wrong_key_is_refused_by_name(platform: Platform):
    with pytest.raises(AuthenticationError) as caught:
        platform.openai("nobody").chat.completions.create(model="auto", messages=QUESTION)
    assert "INVALID_API_KEY" == caught.value.code


def test_a_decision_can_be_looked_up_and_explains_itself(platform: Platform, client: OpenAI, session_id: str):
    raw = client.chat.completions.with_raw_response.create(
        model="auto", messages=QUESTION, extra_headers={"floopy-session-id": session_id}
    )
    request_id = raw.headers["x-request-id"]

    def is_there() -> bool:
        try:
            platform.floopy().decisions.get(request_id)
        except FloopyNotFoundError:
            return False
        return True

    wait_until(is_there, timeout_s=20, what="the decision to be stored")
    decision = platform.floopy().decisions.get(request_id)
    trace = decision.decision_trace
    assert (session_id, raw.headers["floopy-model"]) == (decision.session_id, decision.model)
    assert decision.explanation
    assert trace["winner"] in {candidate["model"] for candidate in trace["candidates"]}
    assert 0 < trace["propensity"] <= 1
    assert sum(candidate["propensity"] for candidate in trace["candidates"]) == pytest.approx(1)
    assert [request_id] == [found.request_id for found in platform.floopy().decisions.list(session_id=session_id).items]
