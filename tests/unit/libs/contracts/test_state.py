"""Redis keys: one meaning each, one slot per tenant or partition, nothing of one tenant readable as another's."""

import hashlib
import inspect
import re

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.contracts import state
from libs.contracts.state import FirewallPolicy

tenants = st.from_regex(state.TENANT_PATTERN, fullmatch=True)
names = st.text(st.characters(codec="ascii", exclude_categories=["Cc"], exclude_characters=":"), min_size=1, max_size=8)

TENANT_KEYS = {
    "policy": lambda tenant, name: state.policy(tenant),
    "rules": lambda tenant, name: state.rules(tenant),
    "gates": lambda tenant, name: state.gates(tenant),
    "weights": lambda tenant, name: state.weights(tenant),
    "session": state.session,
    "last_session": state.last_session,
    "session_alias": state.session_alias,
    "cached_answer": state.cached_answer,
    "minute_count": lambda tenant, name: state.minute_count(tenant, name, 7),
    "month_count": lambda tenant, name: state.month_count(tenant, "requests", name),
    "quarantine": state.quarantine,
    "evidence": state.evidence,
    "feedback_mark": lambda tenant, name: state.feedback_mark(tenant, name, "session"),
}
OTHERS = {"api_key", "plan", "priors", "learning", "secret_sha256"}


def test_every_key_is_known_to_these_tests():
    functions = {
        name for name, item in vars(state).items() if inspect.isfunction(item) and item.__module__ == state.__name__
    }
    assert functions == TENANT_KEYS.keys() | OTHERS


@given(tenants, names)
def test_the_keys_of_a_tenant_lie_in_its_slot(tenant: str, name: str):
    tags = {re.search(r"\{(.*?)\}", key(tenant, name))[1] for key in TENANT_KEYS.values()}
    assert {tenant} == tags


@given(st.tuples(tenants, names), st.tuples(tenants, names))
def test_no_two_things_share_a_key(one: tuple[str, str], other: tuple[str, str]):
    first, second = ([key(*thing) for key in TENANT_KEYS.values()] for thing in (one, other))
    assert len(first) == len(set(first))
    shared = set(first) & set(second)
    assert (one[0] == other[0]) or not shared


def test_subjects_of_ratings_are_told_apart():
    keys = {
        state.feedback_mark("acme", "s", source, subject) for source in ("auto", "manual") for subject in ("", "r-1")
    }
    assert len(keys) == 4


def test_learning_state_of_a_partition_lies_in_one_slot():
    assert {"p3"} == {re.search(r"\{(.*?)\}", state.learning(3, what))[1] for what in ("offsets", "owner")}


def test_the_pool_is_no_tenant():
    assert re.fullmatch(state.TENANT_PATTERN, state.POOL) is None


@given(st.text())
def test_a_secret_is_looked_up_by_its_digest(secret: str):
    assert hashlib.sha256(secret.encode()).hexdigest() == state.secret_sha256(secret)


def test_a_mark_reads_as_unpublished_unless_it_says_otherwise():
    assert not msgspec.json.decode(b'{"event":"{}"}', type=state.FeedbackMark).published


@pytest.mark.parametrize(
    ("mode", "asked", "expected"),
    [
        ("block", None, "block"),
        ("block", True, "block"),
        ("block", False, "block"),
        ("flag", None, "flag"),
        ("flag", True, "flag"),
        ("flag", False, "off"),
        ("off", None, "off"),
        ("off", True, "block"),
        ("off", False, "off"),
    ],
)
def test_a_client_may_turn_the_scan_on_but_not_weaken_a_tenant_that_blocks(mode, asked, expected):
    assert expected == FirewallPolicy(mode=mode).mode_for(asked=asked)
