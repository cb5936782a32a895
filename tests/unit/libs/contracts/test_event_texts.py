"""Every text of an event is known for what it is: nobody adds one that a person may write into without redacting it."""

from types import NoneType
from typing import Any, Literal, get_args, get_origin, get_type_hints

import msgspec
import pytest

from libs.contracts import events

WRITTEN_BY_CLIENTS = {
    # Redacted before they are published: services/gateway/domain/discretion.py, services/firewall/labelling.py.
    "RequestCompleted": {
        *("requested_model", "user_id", "project_id", "session_name", "session_path", "properties"),
    },
    "TranscriptRecorded": {"request", "response"},
    "VerdictLabelled": {"comment", "text"},
}
OF_OPERATORS = {
    # The audit log of policies: what operators name and why they changed it.
    "ControlChanged": {"actor", "entity_id", "reason", "value"},
    "WeightsPublished": {"scope", "tasks"},
    "Decision": {"rule_id"},
    "DecisionInputs": {"default_model", "prices", "requested", "shares"},
    "RequestCompleted": {"key_id"},
    "FeedbackReceived": {"rater"},
    "VerdictLabelled": {"labeller"},
}
MADE_BY_US = {
    # Identifiers, names from catalogues and taxonomies, digests, constants. A session id is a client's, as ratings need it.
    *(
        "event_id",
        "request_id",
        "tenant",
        "session_id",
        "completion_id",
        "model",
        "provider",
        "task",
        "winner",
        "baseline",
    ),
    *(
        "shadowed",
        "snapshot_id",
        "base_id",
        "task_by",
        "pinned",
        "endpoint",
        "error",
        "error_code",
        "category",
        "role",
        "constraint",
    ),
    *("confidence_reason", "before_sha256", "after_sha256", "kinds"),
}


def structs() -> list[type[msgspec.Struct]]:
    found = [value for value in vars(events).values() if isinstance(value, type) and issubclass(value, msgspec.Struct)]
    assert len(found) > 10
    return [struct for struct in found if struct is not msgspec.Struct]


def holds_text(hint: Any) -> bool:
    if get_origin(hint) is Literal or hint in (NoneType, int, float, bool):
        return False
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return False  # Looked at by itself.
    return hint in (str, Any) or any(map(holds_text, get_args(hint)))


@pytest.mark.parametrize("struct", structs(), ids=lambda struct: struct.__name__)
def test_every_text_is_classified(struct: type[msgspec.Struct]):
    texts = {name for name, hint in get_type_hints(struct).items() if holds_text(hint)}
    name = struct.__name__
    known = WRITTEN_BY_CLIENTS.get(name, set()) | OF_OPERATORS.get(name, set())
    assert set() == texts - known - MADE_BY_US
    assert set() == known - texts
