"""Who is asking: a key with everything of its tenant that a request needs."""

from typing import Literal

import msgspec

from libs.contracts.state import ApiKey, OptimizationGates, Plan, RoutingRule, TenantPolicy
from libs.routing.request import ModelChoice
from services.gateway.domain.errors import RefusedError, bad_request


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """A valid key, its tenant's policy and plan, the tenant's rules by id, and its gates by route."""

    key: ApiKey
    policy: TenantPolicy
    plan: Plan
    rules: dict[str, RoutingRule] = {}
    gates: dict[str, OptimizationGates] = {}

    @property
    def tenant(self) -> str:
        """Return the tenant that the key belongs to."""
        return self.key.tenant

    def rule_for(self, choice: ModelChoice) -> RoutingRule | None:
        """
        Return the rule that a request names, else the one attached to its key; a disabled attached rule is no rule.

        Raises `RefusedError` (400) for a named rule that does not exist or is disabled.
        """
        if choice.rule_name is not None:
            named = next((rule for rule in self.rules.values() if rule.name == choice.rule_name), None)
            if named is None or not named.enabled:
                raise bad_request(f"there is no enabled routing rule {choice.rule_name!r}", "model")
            return named
        attached = self.rules.get(self.key.rule_id) if self.key.rule_id else None
        return attached if attached is not None and attached.enabled else None

    def require(self, permission: Literal["read", "write"]) -> None:
        """Raise `RefusedError` (403) where the key lacks *permission*."""
        if permission not in self.key.permissions:
            raise RefusedError(403, "FORBIDDEN", f"This key has no {permission} permission.")
