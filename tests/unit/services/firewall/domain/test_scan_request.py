"""One text, one chat request, or a batch of either."""

import msgspec
import pytest

from libs.scanner.text import Segment
from services.firewall.domain.scan_request import MAX_BATCH, InvalidScanError, parse


def items(body: object) -> list[list[tuple[str, str]]]:
    return [[(s.role, s.text) for s in item] for item in parse(msgspec.json.encode(body)).items]


def test_a_text_is_the_users_unless_said_otherwise():
    assert [[("user", "hello")]] == items({"input": "hello"})
    assert [[("tool", "a page")]] == items({"input": "a page", "role": "tool"})


def test_an_empty_text_is_scanned_too():
    assert ((Segment(role="user", text=""),),) == parse(b'{"input":""}').items


def test_a_whole_chat_request_is_one_item():
    body = {"model": "m", "messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}]}
    assert [[("system", "s"), ("user", "u")]] == items(body)


def test_prompt_variables_of_a_chat_request_are_no_batch():
    body = {"inputs": {"city": "Rome"}, "messages": [{"role": "user", "content": "u"}]}
    assert [[("user", "u"), ("user", "Rome")]] == items(body)


def test_a_batch_mixes_texts_and_requests():
    body = {"inputs": ["one", {"messages": [{"role": "tool", "content": "two"}]}, {"input": "three"}]}
    assert [[("user", "one")], [("tool", "two")], [("user", "three")]] == items(body)


def test_evidence_is_left_out_unless_asked_for():
    assert not parse(b'{"input":"x"}').explain
    assert parse(b'{"input":"x","explain":true}').explain


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "input"),
        ({"model": "m"}, "input"),
        ({"inputs": []}, "inputs"),
        ({"inputs": ["x"] * (MAX_BATCH + 1)}, "inputs"),
        ({"inputs": ["x", 7]}, "inputs.1"),
        ({"inputs": [{"text": "x"}]}, "inputs.0"),
    ],
)
def test_a_body_with_nothing_to_scan_is_refused_by_name(body, param):
    with pytest.raises(InvalidScanError) as raised:
        items(body)
    assert param == raised.value.param


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"input":"x","role":"nobody"}', b'{"input":"x","explain":1}'])
def test_a_body_of_the_wrong_type_is_a_decode_error(body):
    with pytest.raises(msgspec.DecodeError):
        parse(body)
