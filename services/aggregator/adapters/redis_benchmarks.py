"""The Day-0 table as Redis has it."""

from typing import cast

import structlog
from redis.asyncio import Redis

from libs.contracts import state
from libs.routing.priors import Priors
from libs.routing.tables import InForce, TableError

log = structlog.get_logger(__name__)


class RedisBenchmarks:
    """Implements `Benchmarks`; a table that cannot be read is logged and leaves the one before in force."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._kept = InForce()

    async def in_force(self) -> Priors:
        """Read the table anew."""
        raw = cast("bytes | None", await self._redis.get(state.priors()))
        try:
            return self._kept.take(raw)
        except TableError as error:
            log.error("benchmarks.invalid", reason=str(error))  # noqa: TRY400 - the reason is all there is
            return self._kept.table
