"""A policy file is decoded whole or refused with the field that is wrong."""

import pytest

from libs.contracts.bootstrap import BootstrapError, load
from libs.contracts.state import (
    ANY_ROUTE,
    ApiKey,
    Bound,
    FirewallPolicy,
    OptimizationGates,
    Plan,
    RedactionPolicy,
    RuleTarget,
    TokenPrice,
    secret_sha256,
)

FILE = b"""
[[plans]]
name = "starter"
monthly_requests = 5000

[[tenants]]
tenant = "acme"
prices."gpt-x" = { input = 0.5, output = 2.0 }
redaction = { mode = "hash", extra = ["ip"] }
[tenants.firewall]
mode = "flag"

[[keys]]
tenant = "acme"
key_id = "ci"
secret_env = "ACME_KEY"
requests_per_minute = 60

[[rules]]
tenant = "acme"
name = "cheap"
strategy = "smart_cost"
targets = [{ model = "small", weight = 2.0 }]

[[gates]]
tenant = "acme"
route = "cheap"
max_regression = { value = 0.02, window = "24h" }
require_shadow_before_live = true
"""


def test_a_complete_file_yields_the_structs_of_stored_state():
    loaded = load(FILE)
    assert loaded.plans == [Plan(name="starter", monthly_requests=5000)]
    assert loaded.tenants[0].firewall == FirewallPolicy(mode="flag")
    assert loaded.tenants[0].redaction == RedactionPolicy(mode="hash", extra=("ip",))
    assert loaded.tenants[0].prices == {"gpt-x": TokenPrice(input=0.5, output=2.0)}
    assert loaded.keys[0].api_key() == ApiKey(key_id="ci", tenant="acme", requests_per_minute=60)
    assert loaded.rules[0].rule().targets == (RuleTarget(model="small", weight=2.0),)


def test_an_omitted_rule_id_is_the_same_on_every_load():
    first, second = load(FILE).rules[0].rule(), load(FILE).rules[0].rule()
    assert first.rule_id == second.rule_id != ""


def test_a_secret_is_read_from_the_environment_and_only_its_digest_remains():
    assert load(FILE).keys[0].digest({"ACME_KEY": "s3cret"}) == secret_sha256("s3cret")


def test_a_missing_secret_is_refused_by_the_name_of_its_variable():
    with pytest.raises(BootstrapError, match="ACME_KEY"):
        load(FILE).keys[0].digest({})


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        (b'name = "starter"', b'nam = "starter"', r"missing required field `name` - at `\$.plans\[0\]`"),
        (b'mode = "flag"', b'mod = "flag"', r"tenants\[0\]\.firewall\.mod: unknown field"),
        (b'mode = "hash"', b'mode = "hide"', r"Invalid enum value 'hide' - at `\$.tenants\[0\].redaction.mode`"),
        (b'["ip"]', b'["name"]', r"Invalid enum value 'name' - at `\$.tenants\[0\].redaction.extra\[0\]`"),
        (b"monthly_requests = 5000", b'monthly_requests = "5000"', r"plans\[0\]\.monthly_requests"),
        (b'strategy = "smart_cost"', b'strategy = "cheapest"', r"rules\[0\]\.strategy"),
        (b"requests_per_minute = 60", b'secret = "x"', "exactly one of secret_env, secret_sha256, secret"),
        (b'secret_env = "ACME_KEY"', b'secret_sha256 = "abc"', "64 lower-case hex digits"),
        (b'key_id = "ci"', b'key_id = "c i"', "key_id 'c i'"),
        (b'[[keys]]\ntenant = "acme"', b'[[keys]]\ntenant = "other"', "tenant 'other' is not declared"),
        (b'[[tenants]]\ntenant = "acme"', b'[[tenants]]\ntenant = "Acme"', "tenant 'Acme'"),
        (b"[tenants.firewall]", b'tasks = ["Tri Age"]\n[tenants.firewall]', "task 'Tri Age'"),
        (b'name = "cheap"', b'name = "rule:cheap"', "name 'rule:cheap'"),
        (b"input = 0.5", b"input = -0.5", r"tenants: acme: prices\.gpt-x\.input: has to be dollars per million tokens"),
        (b"output = 2.0", b"output = inf", r"prices\.gpt-x\.output"),
        (b"input = 0.5", b"fresh = 0.5", "missing required field `input`"),
        (b"output = 2.0", b"output = 2.0, cash = 1.0", r"tenants\[0\]\.prices\.gpt-x\.cash: unknown field"),
        (b'route = "cheap"', b'route = "dear"', "gates: acme/dear: no such rule: add it under"),
        (b'[[gates]]\ntenant = "acme"', b'[[gates]]\ntenant = "other"', "gates: tenant 'other' is not declared"),
        (b"value = 0.02", b"value = 1.5", "gates: acme/cheap: max_regression.value: has to be 0 or more and at most 1"),
        (b'"24h"', b'"91d"', "gates: acme/cheap: max_regression.window: use hours or days up to 90d"),
        (b"value = 0.02", b"valu = 0.02", r"`value` - at `\$.gates\[0\].max_regression`"),
        (b"require_shadow_before_live", b"require_shadow", "require_shadow"),
        (b"require_shadow_before_live = true", b'stage = "live"', "stage: the router sets it: remove it"),
        (b"[[plans]]", b"[plans", "Expected"),
    ],
)
def test_a_mistake_is_named(before: bytes, after: bytes, message: str):
    assert before in FILE
    with pytest.raises(BootstrapError, match=message):
        load(FILE.replace(before, after))


def test_two_rules_of_one_tenant_cannot_share_a_name():
    with pytest.raises(BootstrapError, match="rules: name 'acme/cheap' appears twice"):
        load(FILE + b'[[rules]]\ntenant = "acme"\nname = "cheap"\n')


def test_a_key_may_be_attached_to_a_rule_of_the_file_by_name():
    loaded = load(FILE.replace(b'key_id = "ci"', b'key_id = "ci"\nrule_id = "cheap"'))
    assert loaded.rules[0].rule().rule_id == loaded.keys[0].api_key().rule_id


def test_gates_hold_for_the_rule_they_name_and_begin_in_the_shadow_where_that_is_required():
    loaded = load(FILE)
    (declared,) = loaded.gates
    assert loaded.rules[0].rule().rule_id == declared.route_id(loaded.rules)
    gates = OptimizationGates(
        max_regression=Bound(value=0.02, window="24h"), require_shadow_before_live=True, stage="shadow"
    )
    assert gates == declared.gates()


def test_gates_that_name_no_rule_hold_for_every_route():
    loaded = load(FILE.replace(b'route = "cheap"\n', b""))
    assert ANY_ROUTE == loaded.gates[0].route_id(loaded.rules)


def test_two_gates_of_one_route_are_refused():
    with pytest.raises(BootstrapError, match="gates: route 'acme/cheap' appears twice"):
        load(FILE + b'[[gates]]\ntenant = "acme"\nroute = "cheap"\n')
