"""A chat request is read the same however it is written, and what it needs of a model follows from it."""

import msgspec
import pytest

from libs.routing.candidates import Requirements
from libs.routing.request import (
    IMAGE_TOKENS,
    ChatRequest,
    ChoiceError,
    Message,
    ModelChoice,
    Reading,
    ResponseFormat,
    inferred_session_id,
    read,
    read_choice,
)

BASH = {"type": "function", "function": {"name": "bash", "parameters": {}}}
PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 100_000}}


def reading(**fields: object) -> Reading:
    body = {"model": "auto", "messages": [{"role": "user", "content": "hi"}], **fields}
    return read(msgspec.json.decode(msgspec.json.encode(body), type=ChatRequest))


def test_plain_text_needs_nothing():
    assert Requirements(context_tokens=1) == reading().requirements


def test_the_newest_user_text_and_the_system_text_are_what_the_classifier_sees():
    features = reading(
        messages=[
            {"role": "developer", "content": "be brief"},
            {"role": "user", "content": "old"},
            {"role": "assistant", "content": None, "tool_calls": []},
            {"role": "user", "content": [{"type": "text", "text": "new"}, {"type": "text", "text": "lines"}]},
        ]
    ).features
    assert ("be brief", "new\nlines") == (features.system, features.text)


@pytest.mark.parametrize("fields", [{"tools": [BASH]}, {"functions": [{"name": "bash"}]}], ids=["tools", "functions"])
def test_tools_are_read_by_name_and_needed(fields: dict[str, object]):
    read_ = reading(**fields)
    assert (("bash",), True) == (read_.features.tools, read_.requirements.tools)


def test_absent_and_null_tools_are_no_tools():
    assert reading() == reading(tools=None)


def test_a_picture_needs_vision_and_counts_as_a_picture_not_as_its_bytes():
    requirements = reading(messages=[{"role": "user", "content": [PICTURE]}]).requirements
    assert (True, IMAGE_TOKENS) == (requirements.vision, requirements.context_tokens)


def test_words_about_pictures_are_no_picture():
    assert not reading(messages=[{"role": "user", "content": '[{"type": "image_url"}]'}]).requirements.vision


@pytest.mark.parametrize(
    ("kind", "structured", "schema"),
    [("text", False, False), ("json_object", True, False), ("json_schema", True, True)],
)
def test_only_a_schema_needs_a_model_that_knows_schemas(kind: str, *, structured: bool, schema: bool):
    read_ = reading(response_format={"type": kind})
    assert (structured, schema) == (read_.features.structured, read_.requirements.json_schema)


def test_a_request_that_ends_in_a_tool_result_is_in_a_tool_loop():
    messages = [{"role": "user", "content": "go"}, {"role": "tool", "content": "done", "tool_call_id": "1"}]
    assert reading(messages=messages).in_tool_loop
    assert not reading().in_tool_loop


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, 500),
        ({"max_tokens": 16}, 16),
        ({"max_tokens": 16, "max_completion_tokens": 8}, 8),
        ({"max_tokens": 9_000}, 500),
    ],
)
def test_the_clients_limit_bounds_the_expected_answer(fields: dict[str, object], expected: int):
    assert expected == reading(**fields).expected_output_tokens


def test_tools_of_another_shape_are_refused():
    with pytest.raises(msgspec.DecodeError):
        reading(tools={"bash": 1})


def test_a_request_made_in_code_is_read_too():
    chat = ChatRequest(
        model="auto",
        messages=[Message(role="user", content=msgspec.Raw(b'"prove it"'))],
        response_format=ResponseFormat(type="json_object"),
    )
    assert ("prove it", True) == (read(chat).features.text, read(chat).features.structured)


@pytest.mark.parametrize(
    ("model", "choice"),
    [
        ("auto", ModelChoice()),
        ("small", ModelChoice(models=("small", "spare"))),
        ("small, large,small", ModelChoice(models=("small", "large", "spare"))),
        ("rule: cheap", ModelChoice(rule_name="cheap")),
    ],
)
def test_the_model_field_names_a_model_a_chain_a_rule_or_nothing(model: str, choice: ModelChoice):
    assert choice == read_choice(model, ("spare",))


@pytest.mark.parametrize("model", ["", " , ", "small,auto", "small,rule:cheap", ",".join("abcdefghi")])
def test_a_chain_is_made_of_a_few_models(model: str):
    with pytest.raises(ChoiceError):
        read_choice(model)


def test_a_conversation_keeps_its_inferred_session_as_it_grows():
    opening = [Message(role="system", content=msgspec.Raw(b'"s"')), Message(role="user", content=msgspec.Raw(b'"u"'))]
    grown = [*opening, Message(role="assistant", content=msgspec.Raw(b'"a"'))]
    assert inferred_session_id(opening, "ci") == inferred_session_id(grown, "ci")
    assert inferred_session_id(opening, "ci") != inferred_session_id(opening, "other")
    assert inferred_session_id(opening, "ci") != inferred_session_id(opening[1:], "ci")
