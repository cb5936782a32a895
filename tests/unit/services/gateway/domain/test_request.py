"""A body is either understood or refused with 400 and the name of the field at fault; nothing else can happen."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.routing.request import ModelChoice
from services.gateway.domain.errors import RefusedError
from services.gateway.domain.request import ChatBody, read_body, read_choice, read_shape

MESSAGES = [{"role": "user", "content": "hi"}]


def understood(raw: bytes) -> ChatBody | int:
    try:
        return read_body(raw)
    except RefusedError as refusal:
        return refusal.status


def body(**fields: object) -> bytes:
    return json.dumps({"model": "m", "messages": MESSAGES} | fields).encode()


@pytest.mark.parametrize(
    ("raw", "param"),
    [
        (b"", None),
        (b"{", None),
        (b"[]", None),
        (b'"text"', None),
        (b'{"messages": []}', "model"),
        (b'{"model": "m"}', "messages"),
        (body(model=7), "model"),
        (body(model="  "), "model"),
        (body(model="m" * 1025), "model"),
        (body(messages=[]), "messages"),
        (body(messages="hi"), "messages"),
        (body(messages=[{"content": "hi"}]), "messages[0].role"),
        (body(stream="yes"), "stream"),
        (body(stream_options={"include_usage": 1}), "stream_options.include_usage"),
        (body(metadata=[]), "metadata"),
        (body(max_tokens="many"), "max_tokens"),
    ],
)
def test_a_malformed_body_names_the_field(raw, param):
    with pytest.raises(RefusedError) as refused:
        read_body(raw)
    assert (400, "BAD_REQUEST", param) == (refused.value.status, refused.value.code, refused.value.param)


def test_unknown_fields_and_nulls_are_tolerated():
    chat = read_body(body(stream=None, stream_options=None, metadata=None, future={"a": 1}))
    assert ("m", None, False) == (chat.model, chat.stream, chat.wants_usage_chunk)


def test_only_a_client_that_asks_wants_the_usage_chunk():
    assert read_body(body(stream_options={"include_usage": True})).wants_usage_chunk
    assert not read_body(body(stream_options={"include_usage": False})).wants_usage_chunk


@pytest.mark.parametrize("fields", [{"tools": 5}, {"tools": ["x"]}, {"messages": [{"role": "user", "content": [1]}]}])
def test_tools_and_content_of_an_odd_shape_are_refused_too(fields):
    with pytest.raises(RefusedError) as refused:
        read_shape(read_body(body(**fields)))
    assert refused.value.status == 400


@given(
    st.binary(max_size=200)
    | st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists).map(
        lambda value: json.dumps({"model": value, "messages": value}).encode()
    )
)
def test_any_bytes_are_understood_or_refused(raw):
    outcome = understood(raw)
    assert outcome == 400 or (outcome.model.strip() and outcome.messages)


@pytest.mark.parametrize(
    ("model", "fallback", "expected"),
    [
        ("gpt", (), ModelChoice(models=("gpt",))),
        ("a, b,a", (), ModelChoice(models=("a", "b"))),
        ("a", ("b", "a"), ModelChoice(models=("a", "b"))),
        ("auto", ("b",), ModelChoice()),
        ("rule: cheap ", (), ModelChoice(rule_name="cheap")),
    ],
)
def test_the_model_field_has_four_forms(model, fallback, expected):
    assert expected == read_choice(model, fallback)


@pytest.mark.parametrize("model", ["a,auto", "rule:x,a".removeprefix("rule:") + ",rule:y", ",", ",".join("abcdefghi")])
def test_a_chain_holds_a_few_model_ids_only(model):
    with pytest.raises(RefusedError) as refused:
        read_choice(model)
    assert refused.value.param == "model"
