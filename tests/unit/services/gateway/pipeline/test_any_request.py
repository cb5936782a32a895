"""Whatever a client sends ends in one answer that it can read and in one event; nothing it sends is our fault."""

import asyncio
import json

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from services.gateway.pipeline.exchange import Answer
from tests.unit.services.gateway.fakes import World, caller, error_of

FIELDS = ("model", "messages", "stream", "stream_options", "metadata", "tools", "functions", "response_format", "max_tokens",
          "max_completion_tokens", "prompt_cache_key", "inputs", "user", "n")  # fmt: skip
HEADERS = ("floopy-session-id", "floopy-cache-enabled", "floopy-cache-seed", "floopy-cache-bucket-max-size", "cache-control",
           "floopy-fallback", "floopy-task", "floopy-provider", "helicone-user-id", "floopy-property-x",
           "floopy-llm-security-enabled", "floopy-cache-ignore-keys")  # fmt: skip

text = st.text(max_size=10) | st.sampled_from(["a", "auto", "rule:x", "a,b", "true", "2", "max-age=1", "chat", "q"])
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | text,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(text | st.sampled_from(["role", "content", "type"]), inner)
    ),
    max_leaves=10,
)
messages = st.lists(
    st.fixed_dictionaries({"role": st.sampled_from(["user", "system", "tool", "?"]), "content": values}), min_size=1
)
bodies = st.builds(
    lambda plain, odd: json.dumps(plain | odd).encode(),
    st.fixed_dictionaries({"model": st.sampled_from(["a", "auto", "a,b", "q/c"]), "messages": messages}),
    st.dictionaries(st.sampled_from(FIELDS), values, max_size=3),
)
headers = st.dictionaries(st.sampled_from(HEADERS), text, max_size=4)


@settings(deadline=None)
@given(st.binary(max_size=64) | bodies, headers)
def test_any_request_ends_in_one_answer_and_one_event(raw: bytes, sent: dict[str, str]):
    world = World(who=caller(exact_cache=True))
    answer = asyncio.run(world.ask(raw=raw, headers=sent))
    assert answer.status in {200, 400, 502}
    assert world.event.http_status == answer.status
    names = [name.lower() for name, _ in answer.headers]
    assert sorted(set(names)) == sorted(names), "a header that comes twice is read as one strange value"
    assert msgspec.json.encode(world.event)
    if answer.status != 200:
        assert error_of(answer)["message"]
    elif isinstance(answer, Answer):
        assert b"from " in answer.body
