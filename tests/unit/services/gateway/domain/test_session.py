"""A session is the client's, by header, metadata or cache key in this order; else how the conversation began tells."""

import json

import pytest

from services.gateway.domain.errors import RefusedError
from services.gateway.domain.options import Options
from services.gateway.domain.request import read_body
from services.gateway.domain.session import SessionRef, session_of

BEGIN = [{"role": "system", "content": "be kind"}, {"role": "user", "content": "hi"}]


def session(messages=BEGIN, key_id="k", header=None, **fields):
    chat = read_body(json.dumps({"model": "m", "messages": messages} | fields).encode())
    return session_of(Options(session_id=header), chat, key_id)


def test_the_client_names_its_session_in_one_of_three_places():
    fields = {"metadata": {"session_id": "meta"}, "prompt_cache_key": "cache"}
    assert SessionRef(session_id="header", inferred=False) == session(header="header", **fields)
    assert SessionRef(session_id="meta", inferred=False) == session(**fields)
    assert SessionRef(session_id="cache", inferred=False) == session(prompt_cache_key="cache")


@pytest.mark.parametrize("metadata", [None, {}, {"session_id": ""}, {"session_id": 7}])
def test_metadata_without_a_session_leaves_it_to_be_inferred(metadata):
    assert session(metadata=metadata).inferred


def test_a_conversation_keeps_its_inferred_session_as_it_grows():
    grown = [*BEGIN, {"role": "assistant", "content": "hello"}, {"role": "user", "content": "more"}]
    assert session() == session(grown)


@pytest.mark.parametrize(
    "other",
    [
        {"key_id": "k2"},
        {"messages": [{"role": "system", "content": "be kind"}, {"role": "user", "content": "ho"}]},
        {"messages": [{"role": "system", "content": "be rude"}, {"role": "user", "content": "hi"}]},
        {"messages": [{"role": "user", "content": "be kindhi"}]},
    ],
)
def test_another_key_or_beginning_is_another_session(other):
    assert session() != session(**other)
    assert session(**other).inferred


@pytest.mark.parametrize("fields", [{"metadata": {"session_id": "x" * 257}}, {"prompt_cache_key": "a\nb"}])
def test_an_impossible_session_id_is_refused(fields):
    with pytest.raises(RefusedError) as refused:
        session(**fields)
    assert refused.value.param in {"metadata.session_id", "prompt_cache_key"}
