"""
The declarative policy file (TOML) that a gateway can start from and that `python -m services.router apply` brings into force.

    [[plans]]
    name = "starter"
    monthly_requests = 5000

    [[tenants]]
    tenant = "acme"
    plan = "starter"
    prices."gpt-4o-mini" = { input = 0.12, output = 0.48 }   # what a contract says, in dollars per million tokens

    [[keys]]
    tenant = "acme"
    key_id = "ci"
    secret_env = "ACME_KEY"        # or secret_sha256 = "…", or secret = "…" for local play

    [[rules]]
    tenant = "acme"
    name = "cheap"
    strategy = "smart_cost"
    targets = [{ model = "gpt-4o-mini" }]

    [[gates]]
    tenant = "acme"
    route = "cheap"                # a rule of this file; left out: every route without gates of its own
    max_regression = { value = 0.02, window = "7d" }
    require_shadow_before_live = true
"""

import math
import re
import uuid
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from libs.contracts import gates
from libs.contracts.events import Stage
from libs.contracts.state import (
    ANY_ROUTE,
    TASK_PATTERN,
    TENANT_PATTERN,
    ApiKey,
    OptimizationGates,
    Plan,
    RoutingRule,
    TenantPolicy,
    secret_sha256,
)

KEY_ID_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$"
RULE_NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$"
_RULE_IDS = uuid.UUID("5f3a5a3e-6a0c-4d5e-9d2e-0f3c4b8f7a10")
_SET_BY_ROUTER = {"stage", "stage_reason", "stage_since_ms"}
_SHA256 = re.compile(r"[0-9a-f]{64}")


class BootstrapError(ValueError):
    """The file cannot be used; the message names the field and the fix."""


class BootstrapKey(ApiKey, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    An API key whose secret comes from exactly one of three places; only its digest is ever stored.

    *rule_id* may be the name of a rule in the same file.
    """

    secret_env: str | None = None
    secret_sha256: str | None = None
    secret: str | None = None

    def digest(self, env: Mapping[str, str]) -> str:
        """Return the SHA-256 under which the key is stored, or raise BootstrapError where *env* lacks the secret."""
        if self.secret_sha256 is not None:
            return self.secret_sha256
        secret = self.secret if self.secret_env is None else env.get(self.secret_env)
        if not secret:
            raise BootstrapError(f"keys: {self.key_id}: environment variable {self.secret_env} is empty: set it")
        return secret_sha256(secret)

    def api_key(self) -> ApiKey:
        """Return the key as it is stored, without its secret."""
        return msgspec.convert(_only(self, ApiKey), ApiKey)


class BootstrapRule(RoutingRule, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A routing rule of *tenant*; an omitted rule_id is derived from tenant and name, the same everywhere."""

    tenant: str
    rule_id: str = ""

    def rule(self) -> RoutingRule:
        """Return the rule as it is stored."""
        derived = str(uuid.uuid5(_RULE_IDS, f"{self.tenant}:{self.name}"))
        return msgspec.convert(_only(self, RoutingRule) | {"rule_id": self.rule_id or derived}, RoutingRule)


class BootstrapGates(OptimizationGates, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The gates of one *route* of *tenant*: a rule of the same file by name, or every route without gates of its own."""

    tenant: str
    route: str = ANY_ROUTE

    def gates(self) -> OptimizationGates:
        """Return the gates as they begin: in the shadow where that is required, else live."""
        wanted = msgspec.convert(_only(self, OptimizationGates), OptimizationGates)
        stage: Stage = "shadow" if wanted.require_shadow_before_live else "live"
        return msgspec.structs.replace(wanted, stage=stage)

    def route_id(self, declared: Iterable[BootstrapRule]) -> str:
        """Return the id under which the gates are stored, given the rules of the file."""
        ids = (rule.rule().rule_id for rule in declared if (rule.tenant, rule.name) == (self.tenant, self.route))
        return next(ids, self.route)


class Bootstrap(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Plans, tenants, keys, rules and gates that should be in force; every list may be left out."""

    plans: list[Plan] = []
    tenants: list[TenantPolicy] = []
    keys: list[BootstrapKey] = []
    rules: list[BootstrapRule] = []
    gates: list[BootstrapGates] = []


def load(content: bytes) -> Bootstrap:
    """Decode and check the file; raises BootstrapError naming the field that is wrong."""
    try:
        raw = msgspec.toml.decode(content)
        loaded = msgspec.convert(raw, Bootstrap)
    except msgspec.DecodeError as error:
        raise BootstrapError(str(error)) from error
    _refuse_unknown(raw, msgspec.to_builtins(loaded), "")
    for key in loaded.keys:
        _check_key(key)
    _check_tenants(loaded)
    _check_tasks(loaded)
    _check_prices(loaded)
    _check_unique(loaded)
    for index, item in enumerate(loaded.gates):
        _check_gates(item, raw["gates"][index], loaded)
    return msgspec.structs.replace(loaded, keys=[_attached(key, loaded.rules) for key in loaded.keys])


def _attached(key: BootstrapKey, declared: list[BootstrapRule]) -> BootstrapKey:
    """Return *key* attached by id to the rule of its tenant that it names."""
    ids = {rule.name: rule.rule().rule_id for rule in declared if rule.tenant == key.tenant}
    return msgspec.structs.replace(key, rule_id=ids.get(key.rule_id or "", key.rule_id))


def _only(value: msgspec.Struct, kind: type[msgspec.Struct]) -> dict[str, Any]:
    """Return the fields that *value* inherits from *kind*."""
    return {name: msgspec.to_builtins(getattr(value, name)) for name in kind.__struct_fields__}


def _refuse_unknown(raw: Any, known: Any, path: str) -> None:
    """Raise on a misspelt field, which the tolerant structs of stored state would silently drop."""
    if isinstance(raw, dict):
        for name, value in raw.items():
            here = f"{path}.{name}".lstrip(".")
            if name not in known:
                raise BootstrapError(f"{here}: unknown field: remove or correct it")
            _refuse_unknown(value, known[name], here)
    elif isinstance(raw, list):
        for index, value in enumerate(raw):
            _refuse_unknown(value, known[index], f"{path}[{index}]")


def _check_key(key: BootstrapKey) -> None:
    if not re.match(KEY_ID_PATTERN, key.key_id):
        raise BootstrapError(f"keys: key_id {key.key_id!r}: use letters, digits, dot, dash and underscore, at most 63")
    if sum(value is not None for value in (key.secret_env, key.secret_sha256, key.secret)) != 1:
        raise BootstrapError(f"keys: {key.key_id}: give exactly one of secret_env, secret_sha256, secret")
    if key.secret_sha256 is not None and not _SHA256.fullmatch(key.secret_sha256):
        raise BootstrapError(f"keys: {key.key_id}: secret_sha256 has to be 64 lower-case hex digits")


def _check_tenants(loaded: Bootstrap) -> None:
    declared = {policy.tenant for policy in loaded.tenants}
    for where, tenant in [*(("tenants", name) for name in declared), *(("keys", key.tenant) for key in loaded.keys)]:
        if not re.match(TENANT_PATTERN, tenant):
            raise BootstrapError(f"{where}: tenant {tenant!r}: use lower-case letters, digits, dash and underscore")
    owned = [
        *(("keys", key.tenant) for key in loaded.keys),
        *(("rules", rule.tenant) for rule in loaded.rules),
        *(("gates", item.tenant) for item in loaded.gates),
    ]
    for where, tenant in owned:
        if tenant not in declared:
            raise BootstrapError(f"{where}: tenant {tenant!r} is not declared: add it under [[tenants]]")


def _check_tasks(loaded: Bootstrap) -> None:
    for tenant, task in ((policy.tenant, task) for policy in loaded.tenants for task in policy.tasks):
        if not re.match(TASK_PATTERN, task):
            raise BootstrapError(
                f"tenants: {tenant}: task {task!r}: use lower-case letters, digits, dash and underscore"
            )


def _check_prices(loaded: Bootstrap) -> None:
    for tenant, model, price in ((t.tenant, *item) for t in loaded.tenants for item in t.prices.items()):
        for field, value in msgspec.structs.asdict(price).items():
            if value is not None and not (math.isfinite(value) and value >= 0):
                raise BootstrapError(
                    f"tenants: {tenant}: prices.{model}.{field}: has to be dollars per million tokens, 0 or more"
                )


def _check_gates(item: BootstrapGates, raw: Mapping[str, Any], loaded: Bootstrap) -> None:
    here = f"gates: {item.tenant}/{item.route}"
    for field in _SET_BY_ROUTER & raw.keys():
        raise BootstrapError(f"{here}: {field}: the router sets it: remove it")
    if item.route != ANY_ROUTE and (item.tenant, item.route) not in {(rule.tenant, rule.name) for rule in loaded.rules}:
        raise BootstrapError(f"{here}: no such rule: add it under [[rules]], or leave route out for every route")
    try:
        gates.check(item)
    except gates.GateError as error:
        raise BootstrapError(f"{here}: {error}") from error


def _check_unique(loaded: Bootstrap) -> None:
    _unique("plans: name", (plan.name for plan in loaded.plans))
    _unique("tenants: tenant", (policy.tenant for policy in loaded.tenants))
    _unique("keys: key_id", (f"{key.tenant}/{key.key_id}" for key in loaded.keys))
    for rule in loaded.rules:
        if not re.match(RULE_NAME_PATTERN, rule.name):
            raise BootstrapError(
                f"rules: name {rule.name!r}: use letters, digits, dot, dash and underscore, at most 63"
            )
    _unique("gates: route", (f"{item.tenant}/{item.route}" for item in loaded.gates))
    _unique("rules: name", (f"{rule.tenant}/{rule.name}" for rule in loaded.rules))


def _unique(field: str, names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise BootstrapError(f"{field} {name!r} appears twice: remove one")
        seen.add(name)
