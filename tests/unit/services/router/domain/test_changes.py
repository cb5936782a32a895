"""The hashes of a change are those of its canonical JSON, so that anybody can check them."""

import hashlib
import json

from hypothesis import given
from hypothesis import strategies as st

from libs.contracts.state import Plan, RoutingRule, RuleTarget
from services.router.domain.changes import change, digest, plain, same, version_of
from services.router.domain.entities import Entity, entity_of, ref_to, rule_ref

NAMES = st.text(max_size=20)
RULES = st.builds(
    RoutingRule,
    rule_id=NAMES,
    name=NAMES,
    targets=st.lists(st.builds(RuleTarget, model=NAMES, weight=st.integers(0, 9).map(float)), max_size=3).map(tuple),
    enabled=st.booleans(),
)


@given(RULES)
def test_a_digest_is_the_sha256_of_sorted_json_without_spaces(rule: RoutingRule):
    canonical = json.dumps(plain(rule), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert hashlib.sha256(canonical.encode()).hexdigest() == digest(rule)


@given(RULES, RULES)
def test_versions_differ_exactly_where_entities_do(one: RoutingRule, other: RoutingRule):
    assert (one == other) == same(one, other) == (version_of(one) == version_of(other))


@given(RULES)
def test_an_entity_is_read_back_from_its_change(rule: RoutingRule):
    fact = change(rule_ref("acme", "r"), before=None, after=rule, actor="t", now_ms=1, event_id="e")
    assert rule == entity_of("rule", fact.value or {})


def test_what_is_absent_has_no_digest():
    plan: Entity = Plan(name="pro")
    fact = change(ref_to(plan), before=plan, after=None, actor="t", now_ms=1, event_id="e")
    assert (digest(plan), None, None) == (fact.before_sha256, fact.after_sha256, fact.value)
