"""The policy file at start: what it declares and nobody has ever written comes into force; the rest is left alone."""

from collections.abc import Callable, Container, Mapping

import structlog

from libs.contracts.bootstrap import Bootstrap
from libs.contracts.state import RoutingRule
from services.router.control import Control, Order
from services.router.domain.declared import wishes
from services.router.domain.refusals import RefusedError

log = structlog.get_logger(__name__)

ACTOR = "bootstrap"


async def found(
    control: Control,
    declared: Bootstrap,
    *,
    env: Mapping[str, str],
    models: Container[str] | None,
    clock_ms: Callable[[], int],
    new_id: Callable[[], str],
) -> int:
    """
    Write what is declared and unknown, and return how much that was.

    A deleted entity is known: the file does not bring it back. What cannot be used is logged and left out. Raises
    `BootstrapError` where *env* lacks a secret.
    """
    written = 0
    rules = {rule.tenant: await existing_rules(control, rule.tenant) for rule in declared.rules}
    for wish in wishes(declared, env=env, existing_rules=rules.__getitem__, models=models, now_ms=clock_ms()):
        if await control.has_known(wish.ref):
            continue
        try:
            await control.write(wish.ref, wish.decide, Order(actor=ACTOR, at_ms=clock_ms(), event_id=new_id()))
        except RefusedError as error:
            log.error("bootstrap.refused", kind=wish.ref.kind, entity=wish.name, reason=str(error))  # noqa: TRY400 - the reason is all there is
        else:
            written += 1
    log.info("bootstrap.done", written=written)
    return written


async def existing_rules(control: Control, tenant: str) -> list[RoutingRule]:
    """Return the tenant's rules in force."""
    return [rule for rule in await control.all(tenant, "rule") if isinstance(rule, RoutingRule)]
