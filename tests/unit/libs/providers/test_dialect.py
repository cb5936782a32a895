"""A request body reaches the upstream with the edits it needs, and every other byte as the client wrote it."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.providers.catalogue import Model
from libs.providers.dialect import asks_for_usage, upstream_body
from libs.providers.json_spans import read_object

PLAIN = Model(id="gpt", provider="p", upstream_id="up/gpt-1", family="gpt")
RENAMING = Model(id="gpt", provider="p", upstream_id="up/gpt-1", family="gpt", renames_max_tokens=True)

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
keys = st.sampled_from(
    ["model", "inputs", "max_tokens", "max_completion_tokens", "stream_options", "messages", 'a"\\', "é"]
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys | st.text(), inner, max_size=3)
)
spaces = st.text(alphabet=" \t\r\n", max_size=2)


@st.composite
def objects(draw: st.DrawFn) -> tuple[bytes, list[tuple[str, Any]]]:
    """A JSON object as text with free white space, escapes and duplicate keys, and its members."""
    pairs = draw(st.lists(st.tuples(keys | st.text(max_size=4), values), max_size=6))
    parts = []
    for key, value in pairs:
        ascii_only, indent = draw(st.booleans()), draw(st.sampled_from([None, 1]))
        name = json.dumps(key, ensure_ascii=ascii_only)
        text = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
        parts.append(f"{draw(spaces)}{name}{draw(spaces)}:{draw(spaces)}{text}{draw(spaces)}")
    return f"{draw(spaces)}{{{','.join(parts)}}}{draw(spaces)}".encode("utf-8", "surrogatepass"), pairs


def pairs_of(text: bytes) -> list[tuple[str, Any]]:
    """Members in order, duplicates included."""
    outer: list[tuple[str, Any]] = []

    def keep(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        outer[:] = pairs
        return dict(pairs)

    json.loads(text, object_pairs_hook=keep)
    return outer


@given(objects())
def test_spans_are_exactly_the_members_of_the_object(case: tuple[bytes, list[tuple[str, Any]]]) -> None:
    text, pairs = case
    read = read_object(text)
    found = read.members
    assert [key for key, _ in pairs] == [member.key for member in found]
    assert [value for _, value in pairs] == [json.loads(text[m.value_start : m.value_end]) for m in found]
    assert b"}" == text[read.end :].strip()


@given(objects())
def test_every_top_level_model_is_replaced_and_nothing_else_changes(case: tuple[bytes, list[tuple[str, Any]]]) -> None:
    text, pairs = case
    expected = [(k, PLAIN.upstream_id if k == "model" else v) for k, v in pairs if k != "inputs"]
    assert expected == pairs_of(upstream_body(text, PLAIN))


@given(objects())
def test_untouched_bytes_stay_in_order(case: tuple[bytes, list[tuple[str, Any]]]) -> None:
    text, _ = case
    edited = upstream_body(text, PLAIN)
    for member in read_object(text).members:
        if member.key not in {"model", "inputs"}:
            assert text[member.key_start : member.value_end] in edited
    if all(member.key not in {"model", "inputs"} for member in read_object(text).members):
        assert text == edited


@given(objects())
def test_a_stream_asks_for_its_usage_once(case: tuple[bytes, list[tuple[str, Any]]]) -> None:
    text, pairs = case
    edited = upstream_body(text, PLAIN, stream=True)
    options = [value for key, value in pairs_of(edited) if key == "stream_options"]
    assert max(1, sum(key == "stream_options" for key, _ in pairs)) == len(options)
    assert all(option["include_usage"] is True for option in options)
    assert asks_for_usage(edited)


@given(objects())
def test_the_old_limit_is_renamed_or_gives_way_to_the_new_one(case: tuple[bytes, list[tuple[str, Any]]]) -> None:
    text, pairs = case
    names = [key for key, _ in pairs_of(upstream_body(text, RENAMING))]
    had = [key for key, _ in pairs]
    assert "max_tokens" not in names
    new = had.count("max_completion_tokens") or had.count("max_tokens")
    assert new == names.count("max_completion_tokens")


def test_a_nested_model_key_and_a_model_in_a_message_are_not_touched() -> None:
    body = b'{"messages":[{"content":"\\"model\\": \\"x\\"}"}],"metadata":{"model":"m"},"m\\u006fdel":"gpt"}'
    assert body.replace(b':"gpt"', b':"up/gpt-1"') == upstream_body(body, PLAIN)


def test_options_of_the_client_are_kept_beside_the_usage() -> None:
    body = b'{"model":"gpt","stream_options":{"include_obfuscation":false}}'
    expected = b'{"model":"up/gpt-1","stream_options":{"include_obfuscation":false,"include_usage":true}}'
    assert expected == upstream_body(body, PLAIN, stream=True)


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"null", b'{"a"', b'{"a":', b'{"a":[1', b'{"a" 1}', b'{"a":1 "b":2}', b'{"\\ud8":1}']
)
def test_what_is_no_object_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"offset|JSON"):
        upstream_body(body, PLAIN)


@pytest.mark.parametrize(
    ("body", "asked"),
    [
        (b'{"stream":true}', False),
        (b'{"stream_options":null}', False),
        (b'{"stream_options":{"include_usage":false}}', False),
        (b'{"stream_options":{"include_usage":true}}', True),
        (b'{"stream_options":{"include_usage":false},"stream_options":{"include_usage":true}}', True),
    ],
)
def test_a_client_asks_for_usage_only_by_the_last_word(body: bytes, *, asked: bool) -> None:
    assert asked == asks_for_usage(body)
