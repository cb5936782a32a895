"""What a tenant's policy names is gone from every body, whose form stays; everything else is untouched."""

import json
from collections.abc import Generator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.contracts.state import RedactionPolicy
from libs.redaction import redactor as module
from libs.redaction.detection import find
from libs.redaction.memory import CleanTexts
from libs.redaction.redactor import Redactor
from tests.unit.libs.redaction.values import BARE_CARDS, VALUES

CARD = 4111111111111111
ARGUMENTS = {
    "to": "a@b.org",
    "card": CARD,
    "n": [1, 2.5, True, None],
    "text": 'a "line"\nj@k.com',
    "deep": json.dumps({"phone": "030 901820"}),
}
BODY: dict[str, Any] = {
    "model": "auto",
    "user": "j@example.com",
    "metadata": {"card": CARD, "ssn": 123456789, "created": 1700000000, "share": 0.4111111111111111},
    "messages": [
        {"role": "user", "name": "j@example.com", "content": "hi\nfoo@bar.com é \U0001f600\nDE89370400440532013000"},
        {"role": "user", "content": [{"type": "text", "text": "call +49 30 901820"}]},
        {"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": json.dumps(ARGUMENTS)}}]},
    ],
    "a@b.org": 1,
}


def redactor(**policy: Any) -> Redactor:
    return Redactor(RedactionPolicy(**policy), tenant="acme", secret="secret")


def finished(work: Generator[None, None, str]) -> str:
    while True:
        try:
            next(work)
        except StopIteration as done:
            return done.value


def redacted(body: str, **policy: Any) -> str:
    return finished(redactor(**policy).body(body))


@pytest.mark.parametrize("ascii_only", [True, False])
@pytest.mark.parametrize("indent", [None, 2])
def test_a_body_is_redacted_in_every_place(*, ascii_only: bool, indent: int | None):
    out = json.loads(redacted(json.dumps(BODY, ensure_ascii=ascii_only, indent=indent)))
    metadata = {"card": "[card]", "ssn": "[national_id]", "created": 1700000000, "share": 0.4111111111111111}
    assert ("[email]", metadata, 1) == (out["user"], out["metadata"], out["[email]"])
    user, parts, assistant = out["messages"]
    assert {"role": "user", "name": "[email]", "content": "hi\n[email] é \U0001f600\n[iban]"} == user
    assert [{"type": "text", "text": "call [phone]"}] == parts["content"]
    arguments = json.loads(assistant["tool_calls"][0]["function"]["arguments"])
    expected = ARGUMENTS | {"to": "[email]", "card": "[card]", "text": 'a "line"\n[email]'}
    assert expected | {"deep": json.dumps({"phone": "[phone]"})} == arguments


def test_digests_join_what_belongs_together():
    out = json.loads(redacted(json.dumps(BODY), mode="hash"))
    assert out["user"] == out["messages"][0]["name"]
    assert out["user"].startswith("[email:")
    assert out["metadata"]["card"] == json.loads(out["messages"][2]["tool_calls"][0]["function"]["arguments"])["card"]


def test_off_leaves_a_body_as_it_is():
    assert json.dumps(BODY) == redacted(json.dumps(BODY), mode="off")


def test_kinds_are_skipped_and_added():
    assert "a@b.org from [ip]" == redactor(skip=("email",), extra=("ip",)).text("a@b.org from 10.0.0.1")


def test_a_policy_that_skips_everything_is_off():
    kinds = ("secret", "email", "phone", "card", "iban", "national_id")
    assert "a@b.org" == redactor(skip=kinds).text("a@b.org")


@pytest.mark.parametrize(
    "body", ['{"a": "x@y.org"', '["x@y.org" oops]', "x@y.org", '{"a": "\\x x@y.org"}', '"x@y.org"', "{x@y.org}"]
)
def test_what_is_no_json_is_redacted_as_text(body: str):
    assert body.replace("x@y.org", "[email]") == redacted(body)


def test_a_picture_is_not_searched():
    picture = "data:image/png;base64," + "4111111111111111" * 1_000
    body = json.dumps({"url": picture, "data": "A" * 100_000})
    assert body == redacted(body)


def test_text_that_pretends_to_be_a_picture_is_searched():
    body = json.dumps({"url": "data:image/png;base64," + "A" * 5_000 + " a@b.org"})
    assert "a@b.org" not in redacted(body)


def test_large_bodies_are_work_in_slices():
    text = "a sentence of words, with a value: a@b.org. " * 5_000
    slices = sum(1 for _ in redactor().body(json.dumps({"content": text, "e": [0.5] * 20_000})))
    assert slices > 100


def test_what_was_searched_before_is_not_searched_again(monkeypatch: pytest.MonkeyPatch):
    clean, searched = CleanTexts(), []
    monkeypatch.setattr(module, "find", lambda text, kinds, name: searched.append(text) or find(text, kinds, name))
    history = json.dumps({"messages": [{"content": f"{number} " + "a line\n" * 100} for number in range(4)]})
    for policy in (RedactionPolicy(), RedactionPolicy(mode="hash")):
        one = Redactor(policy, tenant="acme", secret="secret", clean=clean)
        assert history == finished(one.body(history))
    assert 4 == len(searched)
    other = Redactor(RedactionPolicy(skip=("phone",)), tenant="acme", secret="secret", clean=clean)
    assert history == finished(other.body(history))
    assert 8 == len(searched)


def test_what_holds_something_is_redacted_each_time():
    body = json.dumps({"content": "a@b.org " + "a line\n" * 100})
    one = redactor()
    assert finished(one.body(body)) == finished(one.body(body)) == body.replace("a@b.org", "[email]")


KINDS = st.sampled_from(sorted(VALUES))
LEAVES = st.one_of(st.text(max_size=30), st.integers(-1_000_000, 1_000_000), st.booleans(), st.none())
SHAPES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)),
    max_leaves=8,
)


def shape(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: shape(item) for key, item in value.items()}
    return [shape(item) for item in value] if isinstance(value, list) else type(value)


@settings(deadline=None)
@given(
    rest=SHAPES,
    value=KINDS.flatmap(VALUES.__getitem__),
    mode=st.sampled_from(["mask", "hash"]),
    ascii_only=st.booleans(),
)
def test_every_value_is_gone_and_the_shape_stays(*, rest: Any, value: str, mode: Any, ascii_only: bool):
    inner = {"say": f"it is {value}.", "rest": rest, "list": [value]}
    before = {"content": f"so\n{value}\n", "arguments": json.dumps(inner, ensure_ascii=ascii_only), "rest": rest}
    out = redacted(json.dumps(before, ensure_ascii=ascii_only), mode=mode)
    after = json.loads(out)
    said = value.removeprefix("phone: ").removeprefix("BSN ")
    assert said not in out
    assert said not in json.dumps(json.loads(after["arguments"]), ensure_ascii=False)
    assert {"content", "arguments", "rest"} == after.keys()
    assert shape(rest) == shape(after["rest"]) or "[" in json.dumps(after["rest"])


@settings(deadline=None)
@given(BARE_CARDS)
def test_a_card_that_is_a_number_becomes_a_string(card: str):
    assert {"n": "[card]", "m": [1, "[card]"]} == json.loads(redacted(f'{{"n":{card},"m":[1,{card}]}}'))


@settings(deadline=None)
@given(
    st.lists(
        st.one_of(KINDS.flatmap(VALUES.__getitem__), st.sampled_from([" ", "-", "1", "phone ", "x", ".", "+"])),
        max_size=8,
    ),
    st.sampled_from(["mask", "hash"]),
)
def test_redaction_is_idempotent(parts: list[str], mode: Any):
    once = redactor(mode=mode).text("".join(parts))
    assert once == redactor(mode=mode).text(once)


@settings(deadline=None)
@given(value=SHAPES, ascii_only=st.booleans())
def test_a_body_without_findings_is_the_same_text(*, value: Any, ascii_only: bool):
    body = json.dumps(value, ensure_ascii=ascii_only)
    out = redacted(body)
    assert out == body or "[" in out
