"""Outcomes of rated sessions, summed by ClickHouse."""

from collections.abc import Sequence
from functools import lru_cache
from importlib.resources import files

from libs.routing.candidates import OPTIMISED
from services.router.adapters.clickhouse_decisions import ClickHouseDecisions
from services.router.domain.verification import Arm, Route


class ClickHouseOutcomes:
    """Implements `OutcomeLog` over the connections of the decision log."""

    def __init__(self, log: ClickHouseDecisions) -> None:
        self._log = log

    async def tenants(self, *, from_ms: int, to_ms: int) -> Sequence[str]:
        """Return who made requests in the time range."""
        return await self._log.tenants(from_ms=from_ms, to_ms=to_ms)

    async def arms(self, route: Route, *, since_ms: int) -> Sequence[Arm]:
        """Return the outcomes of rated sessions: the first rating of a session counts, as in learning."""
        rows = await self._log.rows(_query("outcomes", route), _values(route, since_ms))
        return [
            Arm(
                task=task,
                routed=bool(routed),
                sessions=sessions,
                score=score,
                score_squared=score_squared,
                cost_micro_usd=cost,
                cost_squared=cost_squared,
            )
            for task, routed, sessions, score, score_squared, cost, cost_squared in rows
        ]

    async def shadowed_sessions(self, route: Route, *, since_ms: int) -> int:
        """Return how many sessions had a choice recorded that was not served."""
        ((sessions,),) = await self._log.rows(_query("shadowed", route), _values(route, since_ms))
        return int(sessions)


def _query(name: str, route: Route) -> str:
    return _text(name).replace("{route}", _condition(route))


@lru_cache
def _text(name: str) -> str:
    text = files("services.router.adapters").joinpath("queries", f"{name}.sql").read_text()
    return "\n".join(line for line in text.splitlines() if not line.startswith("--"))


def _condition(route: Route) -> str:
    if route.rule_id is not None:
        return "rule_id = %(rule_id)s"
    return "rule_id NOT IN %(but)s" if route.but else "1"


def _values(route: Route, since_ms: int) -> dict[str, object]:
    return {
        "tenant": route.tenant,
        "rule_id": route.rule_id,
        "but": route.but,
        "since_ms": since_ms,
        "strategies": tuple(sorted(OPTIMISED)),
    }
