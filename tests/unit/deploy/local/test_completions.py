"""Completions have OpenAI's shape, and a stream says the same as the whole answer."""

import math

from hypothesis import given
from hypothesis import strategies as st

from deploy.local.answers import Answer
from deploy.local.completions import EmbeddingRequest, Message, Reply, chunks, completion, cut, embeddings

ANSWER = Answer(text="m: one two three.", prompt_tokens=10, completion_tokens=5)


def reply(**changes: object) -> Reply:
    return Reply(**{"completion_id": "chatcmpl-1", "created_s": 7, "model": "m", "answer": ANSWER, **changes})


@given(st.text())
def test_the_pieces_of_a_stream_make_the_whole_answer(text: str):
    given_reply = reply(answer=Answer(text=text, prompt_tokens=1, completion_tokens=1))
    pieces = [chunk["choices"][0]["delta"].get("content", "") for chunk in chunks(given_reply, include_usage=False)]

    assert text == completion(given_reply)["choices"][0]["message"]["content"] == "".join(pieces)


def test_usage_ends_a_stream_only_when_asked_for():
    with_usage = list(chunks(reply(cached_tokens=4), include_usage=True))

    assert list(chunks(reply(), include_usage=False)) == with_usage[:-1]
    assert [] == with_usage[-1]["choices"]
    assert {"cached_tokens": 4, "audio_tokens": 0} == with_usage[-1]["usage"]["prompt_tokens_details"]
    assert 15 == with_usage[-1]["usage"]["total_tokens"]


def test_a_tool_call_takes_the_place_of_the_text():
    message = completion(reply(tool="search", finish_reason="tool_calls"))["choices"][0]["message"]

    assert message["content"] is None
    assert "search" == message["tool_calls"][0]["function"]["name"]


def test_a_stream_comes_in_pieces_of_the_size_that_is_asked_for():
    said = [chunk["choices"][0]["delta"] for chunk in chunks(reply(piece_chars=3), include_usage=False)][1:-1]
    assert [ANSWER.text[at : at + 3] for at in range(0, len(ANSWER.text), 3)] == [delta["content"] for delta in said]
    asked = [*chunks(reply(tool="f", arguments='{"a": 1}', piece_chars=5), include_usage=False)][1:-1]
    calls = [chunk["choices"][0]["delta"]["tool_calls"][0] for chunk in asked]
    assert ["f", None] == [call["function"].get("name") for call in calls]
    assert ['{"a":', " 1}"] == [call["function"]["arguments"] for call in calls]


def test_an_answer_is_cut_at_its_limit():
    assert (ANSWER, "stop") == cut(ANSWER, None) == cut(ANSWER, 5)
    assert (Answer(text="m: one", prompt_tokens=10, completion_tokens=2), "length") == cut(ANSWER, 2)


def test_an_embedding_is_a_unit_vector_of_its_text():
    one, two, again = (
        item["embedding"] for item in embeddings(EmbeddingRequest(model="m", input=["a", "b", "a"]), [1, 1, 1])["data"]
    )

    assert one == again != two
    assert math.isclose(1, math.hypot(*one))


def test_the_text_of_a_message_is_found_in_its_parts():
    parts = [{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {"url": "u"}}, {"text": "b"}]

    assert ["ab", "c", ""] == [Message(role="user", content=content).text for content in (parts, "c", None)]
