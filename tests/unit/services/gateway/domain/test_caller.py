"""A caller's rules and firewall mode: what a request may choose, and what it may not weaken."""

import pytest

from libs.contracts.state import ApiKey, Plan, RoutingRule, TenantPolicy
from libs.routing.request import ModelChoice
from services.gateway.domain.caller import Caller
from services.gateway.domain.errors import RefusedError

RULE = RoutingRule(rule_id="r1", name="cheap")
OFF = RoutingRule(rule_id="r2", name="old", enabled=False)


def caller(**key: object) -> Caller:
    return Caller(
        key=ApiKey(key_id="k", tenant="t", **key),
        policy=TenantPolicy(tenant="t"),
        plan=Plan(name="p"),
        rules={"r1": RULE, "r2": OFF},
    )


@pytest.mark.parametrize(
    ("attached", "named", "expected"),
    [(None, None, None), ("r1", None, RULE), ("r2", None, None), ("gone", None, None), (None, "cheap", RULE)],
)
def test_the_named_rule_or_the_enabled_attached_one_applies(attached, named, expected):
    assert expected == caller(rule_id=attached).rule_for(ModelChoice(rule_name=named))


@pytest.mark.parametrize("name", ["nobody", "old", ""])
def test_a_rule_that_is_not_there_or_disabled_cannot_be_named(name):
    with pytest.raises(RefusedError) as refused:
        caller().rule_for(ModelChoice(rule_name=name))
    assert (400, "model") == (refused.value.status, refused.value.param)


def test_a_permission_is_required_by_name():
    caller(permissions=("read",)).require("read")
    with pytest.raises(RefusedError) as refused:
        caller(permissions=("read",)).require("write")
    assert (403, "FORBIDDEN") == (refused.value.status, refused.value.code)
