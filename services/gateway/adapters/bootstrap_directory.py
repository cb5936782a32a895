"""Keys, plans, policies, rules and gates from the policy file: what a gateway knows before, or without, Redis."""

from collections.abc import Mapping
from pathlib import Path

from libs.contracts import bootstrap
from libs.contracts.bootstrap import Bootstrap
from libs.contracts.state import Plan, TenantPolicy
from services.gateway.domain.caller import Caller


class BootstrapDirectory:
    """A `Directory` that never changes."""

    def __init__(self, callers: Mapping[str, Caller]) -> None:
        self._callers = callers

    async def find(self, secret_sha256: str) -> Caller | None:
        """Return the caller that the file declares, or None."""
        return self._callers.get(secret_sha256)


def read_bootstrap(file: Path | None, env: Mapping[str, str]) -> BootstrapDirectory:
    """Return the directory of *file*, an empty one without; raises `BootstrapError` or `OSError`."""
    if file is None:
        return BootstrapDirectory({})
    return BootstrapDirectory(_callers(bootstrap.load(file.read_bytes()), env))


def _callers(declared: Bootstrap, env: Mapping[str, str]) -> dict[str, Caller]:
    plans = {plan.name: plan for plan in declared.plans}
    policies = {policy.tenant: policy for policy in declared.tenants}
    callers = {}
    for key in declared.keys:
        policy = policies.get(key.tenant, TenantPolicy(tenant=key.tenant))
        if not key.revoked:
            callers[key.digest(env)] = Caller(
                key=key.api_key(),
                policy=policy,
                plan=plans.get(policy.plan, Plan(name=policy.plan)),
                rules={rule.rule().rule_id: rule.rule() for rule in declared.rules if rule.tenant == key.tenant},
                gates={g.route_id(declared.rules): g.gates() for g in declared.gates if g.tenant == key.tenant},
            )
    return callers
