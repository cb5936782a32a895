"""A labelled prompt is a training row where its text is kept: the text that decided, and the truth that the label tells."""

import json

import msgspec
import pytest

from libs.contracts.events import FirewallVerdict
from services.router.domain.training import LabelledPrompt, training_row

REQUEST = json.dumps(
    {
        "messages": [
            {"role": "system", "content": "be kind"},
            {"role": "user", "content": "read it"},
            {"role": "tool", "content": "a page"},
            {"role": "tool", "content": "another"},
        ]
    }
)


def prompt(label="false_positive", action="block", role="tool", request=REQUEST) -> LabelledPrompt:
    verdict = None if action is None else FirewallVerdict(action=action, category="indirect_injection", role=role)
    return LabelledPrompt(tenant="acme", request_id="r-1", label=label, verdict=verdict, request=request)


def test_the_text_is_what_the_deciding_role_said():
    row = training_row(prompt())
    assert row is not None
    assert ("a page\nanother", "tool", "tenant/acme", "r-1") == (row.text, row.role, row.source, row.request_id)
    assert "indirect_injection" == row.category


def test_where_nobody_scanned_it_is_all_that_was_said():
    row = training_row(prompt(label="missed_attack", action=None))
    assert row is not None
    assert ("be kind\nread it\na page\nanother", "", "") == (row.text, row.role, row.category)


def test_the_text_that_came_with_the_label_goes_before_the_body():
    for request in (REQUEST, None):
        row = training_row(msgspec.structs.replace(prompt(request=request), text="which page?"))
        assert row is not None
        assert "which page?" == row.text


@pytest.mark.parametrize(
    ("label", "action", "truth"),
    [
        ("false_positive", "block", 0),
        ("missed_attack", "allow", 1),
        ("correct", "block", 1),
        ("correct", "flag", 1),
        ("correct", "allow", 0),
        ("correct", "off", 0),
        ("correct", None, 0),
    ],
)
def test_the_label_tells_whether_it_was_an_attack(label: str, action: str, truth: int):
    row = training_row(prompt(label=label, action=action))
    assert row is not None
    assert truth == row.label


@pytest.mark.parametrize("request_body", [None, "", "{", "[]", '{"messages": []}', "\ud800", "[" * 100_000])
def test_a_text_that_is_not_kept_or_cannot_be_read_makes_no_row(request_body):
    assert training_row(prompt(request=request_body)) is None
