"""The watch: compares outcomes with each route's gates, and moves the route on or back through the control log."""

from collections.abc import Callable, Mapping

import structlog

from libs.contracts.gates import DAY_MS
from libs.contracts.state import ANY_ROUTE, OptimizationGates, RoutingRule
from services.router.control import Control, Order, Outcome
from services.router.domain import rules
from services.router.domain.entities import Decide, gates_ref, rule_ref
from services.router.domain.gates import at_stage, window_ms
from services.router.domain.promotion import Step, next_step
from services.router.domain.refusals import RefusedError
from services.router.domain.verification import Route, Verification, verify
from services.router.metrics import RouterMetrics
from services.router.ports import OutcomeLog

log = structlog.get_logger(__name__)

ACTOR = "watch"
DEFAULT_WINDOW_MS = 7 * DAY_MS


class Watch:
    """
    Several routers may watch the same routes: a step that another has taken changes nothing.

    A rule that regressed is pinned to its default model; a route that has none to be pinned to goes back into the shadow.
    """

    def __init__(
        self,
        control: Control,
        outcomes: OutcomeLog,
        metrics: RouterMetrics,
        *,
        clock_ms: Callable[[], int],
        new_id: Callable[[], str],
    ) -> None:
        self._control = control
        self._outcomes = outcomes
        self._metrics = metrics
        self._clock_ms = clock_ms
        self._new_id = new_id

    async def round(self) -> int:
        """Look at every route with gates whose tenant has traffic, and return how many steps were taken."""
        now_ms, steps = self._clock_ms(), 0
        for tenant in await self._outcomes.tenants(from_ms=now_ms - DEFAULT_WINDOW_MS, to_ms=now_ms):
            gates = await self._control.gates(tenant)
            for route_id in sorted(gates):
                steps += await self._look(tenant, route_id, gates)
        return steps

    async def _look(self, tenant: str, route_id: str, all_gates: Mapping[str, OptimizationGates]) -> bool:
        gates, rule = all_gates[route_id], await self._rule(tenant, route_id)
        if (route_id != ANY_ROUTE and rule is None) or (rule is not None and (rule.pinned or not rule.enabled)):
            return False
        route = route_of(tenant, route_id, all_gates)
        changed_ms = max(gates.stage_since_ms, rule.updated_at_ms if rule is not None else 0)
        since_ms = max(changed_ms, self._clock_ms() - watched_ms(gates))
        verification = verify(await self._outcomes.arms(route, since_ms=since_ms), gates)
        shadowed = await self._outcomes.shadowed_sessions(route, since_ms=since_ms) if gates.stage == "shadow" else 0
        step = next_step(gates, verification, shadowed)
        return step is not None and await self._take(tenant, route_id, rule, step, verification)

    async def _take(
        self, tenant: str, route_id: str, rule: RoutingRule | None, step: Step, verification: Verification
    ) -> bool:
        outcome = await self._pin(tenant, rule, step.reason) if rule is not None and step.pin else None
        pinned = outcome is not None
        if outcome is None:
            outcome = await self._control.write(
                gates_ref(tenant, route_id), self._staged(step), self._order(step.reason)
            )
        if not outcome.changed:
            return False
        self._metrics.steps.labels(step="pin" if pinned else step.stage).inc()
        log.warning(
            "route.moved",
            tenant=tenant,
            route=route_id,
            step="pin" if pinned else step.stage,
            status=verification.status,
            reason=step.reason,
        )
        return True

    async def _pin(self, tenant: str, rule: RoutingRule, reason: str) -> Outcome | None:
        """Pin *rule* unless it is pinned by now; None where it has no default model to be pinned to."""
        policy = await self._control.policy(tenant)
        decide: Decide = lambda before, _others: (  # noqa: E731 - one decision, given to one writer
            rules.pin(before, policy, reason=reason, now_ms=self._clock_ms())
            if isinstance(before, RoutingRule) and not before.pinned
            else before
        )
        try:
            return await self._control.write(rule_ref(tenant, rule.rule_id), decide, self._order(reason))
        except RefusedError:
            return None

    def _staged(self, step: Step) -> Decide:
        def decide(before: object, _others: object) -> OptimizationGates | None:
            if not isinstance(before, OptimizationGates) or before.stage == step.stage:
                return before if isinstance(before, OptimizationGates) else None
            return at_stage(before, step.stage, reason=step.reason, now_ms=self._clock_ms())

        return decide

    async def _rule(self, tenant: str, route_id: str) -> RoutingRule | None:
        found = None if route_id == ANY_ROUTE else await self._control.find(rule_ref(tenant, route_id))
        return found if isinstance(found, RoutingRule) else None

    def _order(self, reason: str) -> Order:
        return Order(actor=ACTOR, at_ms=self._clock_ms(), event_id=self._new_id(), reason=reason)


def route_of(tenant: str, route_id: str, gates: Mapping[str, OptimizationGates]) -> Route:
    """Return the traffic that a route's gates hold for."""
    if route_id != ANY_ROUTE:
        return Route(tenant=tenant, rule_id=route_id)
    return Route(tenant=tenant, but=tuple(sorted(gates.keys() - {ANY_ROUTE})))


def watched_ms(gates: OptimizationGates) -> int:
    """Return how far back outcomes count: the longest window of the gates."""
    bounds = (gates.max_regression, gates.max_cost_increase)
    return max((window_ms(bound.window) for bound in bounds if bound is not None), default=DEFAULT_WINDOW_MS)
