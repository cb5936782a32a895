"""Optimisation gates as clients write and read them."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import msgspec

from libs.contracts import gates as limits
from libs.contracts.events import Stage
from libs.contracts.state import ANY_ROUTE, Bound, OptimizationGates
from services.router.domain.changes import version_of
from services.router.domain.refusals import RefusedError


class BoundDraft(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A limit and the window over which it is watched."""

    value: float
    window: str = "7d"


class Draft(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The gates of one route as a client writes them: all of them at once, what is left out is off."""

    max_regression: BoundDraft | None = None
    max_cost_increase: BoundDraft | None = None
    confidence_threshold: float | None = None
    min_samples_before_promotion: int | None = None
    max_outcome_variance: float | None = None
    max_cost_drop_without_validation: float | None = None
    require_shadow_before_live: bool = False
    canary_share: float = OptimizationGates().canary_share
    route_id: str | msgspec.UnsetType = msgspec.UNSET
    stage: str | msgspec.UnsetType = msgspec.UNSET
    stage_reason: str | msgspec.UnsetType | None = msgspec.UNSET
    stage_since_ms: int | msgspec.UnsetType = msgspec.UNSET
    version: str | msgspec.UnsetType = msgspec.UNSET


def written(draft: Draft, current: OptimizationGates | None, *, now_ms: int) -> OptimizationGates:
    """
    Return *draft* in force after *current*; raises `RefusedError` naming the field at fault.

    What only the router sets may come back with a draft and is ignored.
    """
    gates = OptimizationGates(
        max_regression=_bound(draft.max_regression),
        max_cost_increase=_bound(draft.max_cost_increase),
        confidence_threshold=draft.confidence_threshold,
        min_samples_before_promotion=draft.min_samples_before_promotion,
        max_outcome_variance=draft.max_outcome_variance,
        max_cost_drop_without_validation=draft.max_cost_drop_without_validation,
        require_shadow_before_live=draft.require_shadow_before_live,
        canary_share=draft.canary_share,
    )
    with _refusing():
        limits.check(gates)
    return placed(gates, current, now_ms=now_ms)


def placed(gates: OptimizationGates, current: OptimizationGates | None, *, now_ms: int) -> OptimizationGates:
    """
    Return *gates* with the route at the stage that follows from *current*.

    A route that newly has to pass through the shadow begins there; one that does not have to is live, whatever the watch has
    seen of it before.
    """
    before = current or OptimizationGates()
    if gates.require_shadow_before_live and not before.require_shadow_before_live:
        return at_stage(gates, "shadow", reason="require_shadow_before_live was set", now_ms=now_ms)
    if not gates.require_shadow_before_live and before.stage != "live":
        return at_stage(
            gates, "live", reason="the gates were written without require_shadow_before_live", now_ms=now_ms
        )
    return at_stage(gates, before.stage, reason=before.stage_reason, now_ms=before.stage_since_ms)


def at_stage(gates: OptimizationGates, stage: Stage, *, reason: str | None, now_ms: int) -> OptimizationGates:
    """Return *gates* with the route at *stage* since *now_ms*."""
    return msgspec.structs.replace(gates, stage=stage, stage_reason=reason, stage_since_ms=now_ms)


def view(route_id: str, gates: OptimizationGates | None) -> dict[str, Any]:
    """Return the gates as clients see them; a route without gates shows all of them off."""
    shown = gates or OptimizationGates()
    return {"route_id": route_id, **msgspec.to_builtins(shown), "version": version_of(shown)}


def read_route(query: Mapping[str, str]) -> str:
    """Return the route that *query* names: a rule's id, or every route without gates of its own."""
    return query.get("route_id") or ANY_ROUTE


def window_ms(window: str) -> int:
    """Return the milliseconds of `24h` or `7d`; raises `RefusedError` naming the parameter `window`."""
    with _refusing():
        return limits.window_ms(window)


def _bound(draft: BoundDraft | None) -> Bound | None:
    return None if draft is None else Bound(value=draft.value, window=draft.window)


@contextmanager
def _refusing() -> Iterator[None]:
    try:
        yield
    except limits.GateError as error:
        raise RefusedError(str(error), param=error.field) from error
