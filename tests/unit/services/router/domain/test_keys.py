"""Keys are made with usable names only, once, and revoked for good."""

import pytest

from libs.contracts.state import ApiKey
from services.router.domain.keys import added, revoked, stored
from services.router.domain.refusals import AbsentError, ConflictError, RefusedError

KEY = stored(ApiKey(key_id="ci", tenant="acme"), "a" * 64)


@pytest.mark.parametrize(("tenant", "key_id"), [("Acme", "ci"), ("*pool", "ci"), ("acme", ""), ("acme", "c i")])
def test_names_that_would_break_keys_of_the_store_are_refused(tenant: str, key_id: str):
    with pytest.raises(RefusedError):
        stored(ApiKey(key_id=key_id, tenant=tenant), "a" * 64)


def test_an_id_is_taken_once():
    assert KEY == added(KEY, None)
    with pytest.raises(ConflictError):
        added(KEY, KEY)


def test_only_what_exists_is_revoked():
    assert revoked(KEY).revoked
    with pytest.raises(AbsentError):
        revoked(None)
