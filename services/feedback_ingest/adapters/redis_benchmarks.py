"""The Day-0 table as Redis has it."""

from typing import cast

import structlog
from redis.asyncio import Redis

from libs.contracts import state
from libs.routing.priors import Priors
from libs.routing.tables import InForce, TableError
from services.feedback_ingest.adapters.redis_calls import answered

log = structlog.get_logger(__name__)


class RedisBenchmarks:
    """`Benchmarks`; a stored table that nobody can use counts as none."""

    def __init__(self, redis: "Redis", *, deadline_s: float) -> None:
        self._redis = redis
        self._deadline_s = deadline_s
        self._kept = InForce()

    async def in_force(self) -> Priors:
        """Read the table anew."""
        raw = cast("bytes | None", await answered(self._redis.get(state.priors()), self._deadline_s))
        try:
            return self._kept.take(raw)
        except TableError as error:
            log.error("benchmarks.invalid", reason=str(error))  # noqa: TRY400 - the reason is all there is
            return self._kept.table
