"""The policy file answers for the keys that it declares, and for no other."""

from pathlib import Path

import pytest

from libs.contracts.bootstrap import BootstrapError
from libs.contracts.state import ANY_ROUTE, secret_sha256
from services.gateway.adapters.bootstrap_directory import read_bootstrap

FILE = """
[[plans]]
name = "free"
monthly_requests = 7
[[tenants]]
tenant = "acme"
plan = "free"
[[tenants]]
tenant = "other"
plan = "unlisted"
[[rules]]
tenant = "acme"
name = "cheap"
[[gates]]
tenant = "acme"
require_shadow_before_live = true
[[keys]]
tenant = "acme"
key_id = "one"
secret_env = "ACME_KEY"
[[keys]]
tenant = "other"
key_id = "two"
secret = "sk-2"
[[keys]]
tenant = "acme"
key_id = "gone"
secret = "sk-gone"
revoked = true
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "bootstrap.toml"
    path.write_text(FILE)
    return path


async def test_a_declared_key_is_a_caller_with_its_plan_and_rules(file: Path):
    caller = await read_bootstrap(file, {"ACME_KEY": "sk-1"}).find(secret_sha256("sk-1"))
    assert caller is not None
    assert ("one", "acme", 7, ["cheap"]) == (
        caller.key.key_id,
        caller.tenant,
        caller.plan.monthly_requests,
        [rule.name for rule in caller.rules.values()],
    )


async def test_declared_gates_hold_for_their_tenant_and_begin_in_the_shadow(file: Path):
    directory = read_bootstrap(file, {"ACME_KEY": "sk-1"})
    one, two = [await directory.find(secret_sha256(secret)) for secret in ("sk-1", "sk-2")]
    assert one is not None
    assert two is not None
    assert ({ANY_ROUTE: "shadow"}, {}) == ({route: gates.stage for route, gates in one.gates.items()}, two.gates)


async def test_a_plan_that_is_not_listed_is_unlimited(file: Path):
    caller = await read_bootstrap(file, {"ACME_KEY": "sk-1"}).find(secret_sha256("sk-2"))
    assert caller is not None
    assert (None, {}) == (caller.plan.monthly_requests, caller.rules)


async def test_other_and_revoked_keys_are_unknown(file: Path):
    directory = read_bootstrap(file, {"ACME_KEY": "sk-1"})
    assert [None, None] == [await directory.find(secret_sha256(secret)) for secret in ("sk-3", "sk-gone")]
    assert await read_bootstrap(None, {}).find(secret_sha256("sk-2")) is None


def test_a_missing_secret_is_an_error_at_start(file: Path):
    with pytest.raises(BootstrapError, match="ACME_KEY"):
        read_bootstrap(file, {})
