"""Events are values: tagged, frozen, and keyed so that what belongs together meets."""

from typing import get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.contracts.events import Event, control_key, session_key
from libs.contracts.state import TENANT_PATTERN

kinds = pytest.mark.parametrize("kind", get_args(Event), ids=lambda kind: kind.__name__)
tenants = st.from_regex(TENANT_PATTERN, fullmatch=True)


@kinds
def test_an_event_is_told_by_its_tag(kind: type[msgspec.Struct]):
    config = kind.__struct_config__
    assert "type" == config.tag_field
    assert isinstance(config.tag, str)
    assert "." in config.tag


@kinds
def test_an_event_cannot_be_changed_and_names_its_fields(kind: type[msgspec.Struct]):
    assert kind.__struct_config__.frozen
    assert all(field.encode_name == field.name for field in msgspec.structs.fields(kind))
    with pytest.raises(TypeError):
        kind("positional")


@kinds
def test_an_event_has_an_identity(kind: type[msgspec.Struct]):
    assert "event_id" in {field.name for field in msgspec.structs.fields(kind) if field.required}


def test_tags_are_unique():
    tags = [kind.__struct_config__.tag for kind in get_args(Event)]
    assert len(tags) == len(set(tags))


@given(st.tuples(tenants, st.text()), st.tuples(tenants, st.text()))
def test_sessions_of_different_tenants_never_share_a_key(one: tuple[str, str], other: tuple[str, str]):
    assert (one == other) == (session_key(*one) == session_key(*other))


@given(
    st.tuples(tenants, st.sampled_from(["key", "rule"]), st.text()),
    st.tuples(tenants, st.sampled_from(["key", "rule"]), st.text()),
)
def test_compaction_never_takes_one_entity_for_another(one, other):
    assert (one == other) == (control_key(*one) == control_key(*other))
