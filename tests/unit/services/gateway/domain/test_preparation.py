"""What a request may be answered with from memory follows from what was done for the answer that is there."""

import json

import pytest

from libs.contracts.state import FirewallPolicy
from services.gateway.domain.preparation import prepare
from tests.unit.services.gateway.fakes import caller

BODY = json.dumps({"model": "a", "messages": [{"role": "user", "content": "hi"}]}).encode()


def digest(mode: str, asked: str | None = None) -> str | None:
    headers = [("floopy-llm-security-enabled", asked)] if asked else []
    who = caller(exact_cache=True, firewall=FirewallPolicy(mode=mode))
    return prepare(who, headers, BODY, 0.0).cache_digest


@pytest.mark.parametrize(("mode", "asked"), [("off", "true"), ("flag", None), ("block", None), ("block", "false")])
def test_an_answer_to_an_unscanned_prompt_is_not_for_a_request_that_wants_the_scan(mode: str, asked: str | None):
    unscanned = digest("off")
    assert unscanned == digest("flag", "false")
    assert unscanned != digest(mode, asked) == digest("block")
