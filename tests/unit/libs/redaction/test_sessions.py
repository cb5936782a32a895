"""A session is the same session under its name, and its name tells nobody's address."""

from hypothesis import given

from libs.redaction.sessions import SessionNames
from tests.unit.libs.redaction.values import EMAILS

NAMES = SessionNames("secret")


@given(EMAILS)
def test_an_address_is_hashed_and_the_name_keeps_its_name(email: str):
    name = NAMES.of("acme", f"chat-{email}")
    assert email not in name
    assert name == NAMES.of("acme", f"chat-{email}") == NAMES.of("acme", name)


def test_sessions_and_tenants_stay_apart():
    names = {
        NAMES.of(tenant, given) for tenant in ("acme", "beta") for given in ("a@b.org", "a@c.org", "+49 30 901820")
    }
    assert 6 == len(names)


def test_an_id_without_an_address_is_the_name():
    for name in ("s-1", "4111111111111111", "inferred-00", "a+b", "user@home", "550e8400-e29b-41d4-a716-446655440000"):
        assert name == NAMES.of("acme", name)
