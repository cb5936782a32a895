"""The guard reads what it can and never lets through what it cannot read unread."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.contracts.state import FirewallPolicy
from services.gateway.domain.guard import guard_of
from services.gateway.domain.guarded_stream import GuardedStream

KEY = "sk-proj-q7Zx2Lm9PzK1sVbT4cWd8RfGh"
REQUEST = b'{"messages": [{"role": "system", "content": "You are a helpful assistant."}]}'

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.just(f"key {KEY}."),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["content", "a", "index"]), inner),
)


def guard(output: str = "redact", **policy: object):
    made = guard_of("t", FirewallPolicy(output=output, **policy), REQUEST)
    assert made is not None
    return made


def test_nobody_guards_where_the_policy_is_off():
    assert guard_of("t", FirewallPolicy(), REQUEST) is None


@pytest.mark.parametrize("body", [f'["{KEY}"]', f'"{KEY}"', KEY, f'{{"choices": ["{KEY}"]}}', "[" * 5000 + KEY])
def test_what_is_no_completion_is_read_as_one_text(body: str):
    assert body.replace(KEY, "[redacted:openai_key]").encode() == guard().whole(body.encode())
    assert body.encode() == guard("flag").whole(body.encode())
    event = f"data: {body}\n\n"
    assert KEY not in GuardedStream(guard()).event(event.encode()).decode()


def test_bytes_that_are_no_text_are_left_as_they_are():
    assert b"\xff\xfe nothing" == guard().whole(b"\xff\xfe nothing")
    assert b"\xff [redacted:openai_key]" == guard().whole(b"\xff " + KEY.encode())


@given(JSON)
def test_whatever_a_message_holds_the_key_is_gone_and_the_shape_is_kept(message: object):
    body = json.dumps({"choices": [{"index": 0, "message": {"content": message}}]}).encode()
    shown = guard().whole(body)
    expected = json.dumps(json.loads(body)).replace(KEY, "[redacted:openai_key]")
    assert json.loads(expected) == json.loads(shown)
    assert (shown == body) == (KEY not in body.decode())


def test_an_identifier_is_no_text():
    body = json.dumps({"choices": [{"message": {"tool_calls": [{"id": KEY, "type": "function"}]}}]}).encode()
    assert body == guard().whole(body)


def test_a_comment_in_a_stream_passes():
    assert b": keep-alive\n\n" == GuardedStream(guard()).event(b": keep-alive\n\n")


def test_the_same_system_prompt_is_prepared_once():
    long = json.dumps(
        {"messages": [{"role": "system", "content": "word salad with many different words " * 9}]}
    ).encode()
    policy = FirewallPolicy(output="flag", output_categories=("system_prompt_leak",))
    one, two = (guard_of("t", policy, long) for _ in range(2))
    assert one is not None
    assert two is not None
    assert one._prompt is two._prompt
