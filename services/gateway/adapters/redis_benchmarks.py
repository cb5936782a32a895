"""The Day-0 table from Redis: taken up by a running gateway as soon as an operator loads another."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import cast

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from libs.contracts import state
from libs.contracts.state import Changed
from libs.routing.priors import Priors
from libs.routing.tables import InForce, TableError

log = structlog.get_logger(__name__)


class RedisBenchmarks:
    """Calls *take* with each table that comes into force; the shipped one is in force until Redis says otherwise."""

    def __init__(
        self, client: "Redis", take: Callable[[Priors], None], poll_s: float, degrade: Callable[[str], None]
    ) -> None:
        self._client = client
        self._take = take
        self._poll_s = poll_s
        self._degrade = degrade
        self._kept = InForce()

    async def changed(self, change: Changed | None) -> None:
        """Read again where the table changed; None means that changes may have been missed."""
        if change is None or change.kind == "priors":
            await self.read()

    async def poll(self, stop: asyncio.Event) -> None:
        """Read again every few seconds, for notifications that were lost."""
        while not stop.is_set():
            await self.read()
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), self._poll_s)

    async def read(self) -> None:
        """Take up the table that Redis has; what cannot be read leaves the one before in force and is counted."""
        before = self._kept.table
        try:
            table = self._kept.take(cast("bytes | None", await self._client.get(state.priors())))
        except (RedisError, OSError, TimeoutError, TableError) as error:
            self._degrade("benchmarks")
            log.warning("benchmarks.unreadable", error=type(error).__name__)
            return
        if table is not before:
            self._take(table)
            log.info("benchmarks.taken_up", built_on=table.built_on, families=len(table.families))
