"""What a client wrote into an event passes its tenant's redaction; what joins events does not change."""

from typing import Any

import msgspec

from libs.contracts.events import RequestCompleted
from libs.contracts.state import RedactionPolicy
from libs.redaction.redactor import Redactor
from services.gateway.domain.accounting import Outcome, completed
from services.gateway.domain.discretion import discreet_record
from tests.unit.services.gateway.domain.test_accounting import trace

LABELS: dict[str, Any] = {
    "user_id": "john@example.com",
    "project_id": "p-1",
    "session_name": "call +49 30 901820",
    "session_path": "/card/4111 1111 1111 1111",
    "properties": {"mail": "john@example.com", "ssn": "123456789", "tier": "gold"},
}


def record(**fields: Any) -> RequestCompleted:
    event = completed(trace(), Outcome(status="ok", http_status=200, ended_ns=6_000))
    return msgspec.structs.replace(event, **fields)


def redactor(**policy: Any) -> Redactor:
    return Redactor(RedactionPolicy(**policy), tenant="t", secret="secret")


def test_labels_are_redacted():
    event = discreet_record(record(model="a", **LABELS), redactor())
    assert ("[email]", "p-1", "call [phone]", "/card/[card]") == (
        event.user_id,
        event.project_id,
        event.session_name,
        event.session_path,
    )
    assert {"mail": "[email]", "ssn": "[national_id]", "tier": "gold"} == event.properties


def test_users_stay_apart_where_values_are_hashed():
    names = [
        discreet_record(record(model="a", user_id=f"{n}@example.com"), redactor(mode="hash")).user_id for n in "ab"
    ]
    assert 2 == len(set(names))
    assert "@" not in "".join(filter(None, names))


def test_a_model_that_does_not_exist_may_be_anything():
    event = discreet_record(record(requested_model="john@example.com", status="rejected"), redactor())
    assert "[email]" == event.requested_model


def test_a_record_without_labels_is_the_same_record():
    event = record(model="a", session_id="s-1")
    assert event is discreet_record(event, redactor())


def test_off_changes_nothing():
    event = record(model="a", **LABELS)
    assert event == discreet_record(event, redactor(mode="off"))
