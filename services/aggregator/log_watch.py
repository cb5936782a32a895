"""Noticing that a log was born again while it is being read: a reader beyond its end would wait there for ever."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import structlog

from libs.kafka.consumer import Ownership
from libs.kafka.ports import Source

log = structlog.get_logger(__name__)

INTERVAL_S = 5.0


class LogRebornError(Exception):
    """The reader stands beyond the end of the log: it has to begin again from what is stored."""


class LogWatch:
    """
    The `Ownership` of a reader that looks, every *interval_s*, whether its place in *source* still exists.

    Assignments are passed on to *inner*.
    """

    def __init__(self, source: Source, inner: Ownership | None = None, *, interval_s: float = INTERVAL_S) -> None:
        self._source = source
        self._inner = inner
        self._interval_s = interval_s
        self._partitions: set[int] = set()

    async def on_assigned(self, partitions: frozenset[int]) -> None:
        """Watch *partitions*, from the next turn on."""
        if self._inner is not None:
            await self._inner.on_assigned(partitions)
        self._partitions |= partitions

    async def on_revoked(self, partitions: frozenset[int]) -> None:
        """Watch *partitions* no more."""
        self._partitions -= partitions
        if self._inner is not None:
            await self._inner.on_revoked(partitions)

    async def guard(self, reading: Coroutine[Any, Any, None]) -> None:
        """Await *reading*; end it and raise `LogRebornError` when a log turns out to be shorter than its place in it."""
        reader, watcher = asyncio.create_task(reading), asyncio.create_task(self._watch())
        try:
            await asyncio.wait({reader, watcher}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (watcher, reader):
                task.cancel()
            await asyncio.wait({reader, watcher})
        for task in (watcher, reader):
            if not task.cancelled():
                task.result()

    async def look(self) -> None:
        """Raise `LogRebornError` when a place does not exist."""
        for partition in tuple(self._partitions):
            # The place is asked for first: the end of a log that lives on can only be later.
            places = {
                topic: await self._source.position(topic, partition)
                for topic in self._source.topics
                if partition in self._partitions
            }
            ends = await self._source.end_offsets(partition)
            for topic, place in places.items():
                if place > ends[topic]:
                    raise LogRebornError(f"{topic}/{partition} ends at {ends[topic]}, the reader stands at {place}")

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(self._interval_s)
            try:
                await self.look()
            except TimeoutError:
                log.warning("log.unanswered", topics=self._source.topics)
            except Exception:
                # Asking about a partition that is being given away fails in many ways; without partitions that is no news.
                if self._partitions:
                    raise
