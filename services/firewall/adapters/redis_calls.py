"""One deadline and one error for every question to Redis."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from redis.exceptions import RedisError

from services.firewall.ports import StoreUnavailableError

T = TypeVar("T")


async def answered(call: Awaitable[T], deadline_s: float) -> T:
    """Return what *call* answers within *deadline_s*; raises `StoreUnavailableError`."""
    try:
        async with asyncio.timeout(deadline_s):
            return await call
    except (RedisError, OSError) as error:
        raise StoreUnavailableError(type(error).__name__) from error
