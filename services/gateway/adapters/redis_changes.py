"""Notifications of changed weights and policies, from Redis to whoever keeps copies."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

import msgspec
import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from libs.contracts.state import CHANGES_CHANNEL, Changed

log = structlog.get_logger(__name__)

Listener = Callable[[Changed | None], Awaitable[None]]
_WAIT_S = 1.0


class RedisChanges:
    """Tells each listener of every change; of None after a gap, when changes may have been missed."""

    def __init__(
        self, client: "Redis", listeners: Sequence[Listener], degrade: Callable[[str], None], *, retry_s: float = 1.0
    ) -> None:
        self._client = client
        self._listeners = listeners
        self._degrade = degrade
        self._retry_s = retry_s

    async def run(self, stop: asyncio.Event) -> None:
        """Listen until *stop*; a lost connection is made again."""
        while not stop.is_set():
            try:
                await self._listen(stop)
            except (RedisError, OSError) as error:
                self._degrade("changes")
                log.warning("changes.lost", error=type(error).__name__)
                with suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), self._retry_s)

    async def _listen(self, stop: asyncio.Event) -> None:
        async with self._client.pubsub() as channel:
            await channel.subscribe(CHANGES_CHANNEL)
            while not stop.is_set():
                message = await channel.get_message(timeout=_WAIT_S)
                if message is not None:
                    await self._take(message["type"], message["data"])

    async def _take(self, kind: str, data: bytes) -> None:
        if kind == "subscribe":  # Also after the client library has made a lost connection again by itself.
            await self._tell(None)
        if kind != "message":
            return
        try:
            change = msgspec.json.decode(data, type=Changed)
        except msgspec.DecodeError:
            log.warning("changes.invalid", size_bytes=len(data))
            return
        await self._tell(change)

    async def _tell(self, change: Changed | None) -> None:
        for listener in self._listeners:
            await listener(change)
