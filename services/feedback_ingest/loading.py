"""Loading a Day-0 table: into the control log, then a wait until the read model shows it."""

import asyncio
from typing import Literal, TypeAlias

from libs.contracts.events import ControlChanged
from libs.routing.priors import Priors
from services.feedback_ingest.domain.benchmarks import digest
from services.feedback_ingest.ports import BenchmarkLog, Benchmarks

POLL_S = 0.05
Outcome: TypeAlias = Literal["unchanged", "in force", "not in force yet"]


class Loader:
    """Brings tables into force; the control log is the source of truth, Redis what everybody reads."""

    def __init__(self, log: BenchmarkLog, benchmarks: Benchmarks, *, visible_within_s: float) -> None:
        self._log = log
        self._benchmarks = benchmarks
        self._visible_within_s = visible_within_s

    async def load(self, change: ControlChanged) -> Outcome:
        """Append *change*, unless its table is in force; raises `StoreUnavailableError` and `LogUnavailableError`."""
        if await self._shows(change):
            return "unchanged"
        await self._log.append(change)
        try:
            async with asyncio.timeout(self._visible_within_s):
                while not await self._shows(change):  # noqa: ASYNC110 - the effect happens in another process
                    await asyncio.sleep(POLL_S)
        except TimeoutError:
            return "not in force yet"
        return "in force"

    async def in_force(self) -> Priors:
        """Return the table in force; raises `StoreUnavailableError`."""
        return await self._benchmarks.in_force()

    async def _shows(self, change: ControlChanged) -> bool:
        return digest(await self._benchmarks.in_force()) == change.after_sha256
