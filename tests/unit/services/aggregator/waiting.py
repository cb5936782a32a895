"""Waiting with a deadline."""

import asyncio
import inspect

DEADLINE_S = 20.0


async def until(condition, *, deadline_s=DEADLINE_S):
    """Return once *condition*, plain or awaitable, holds; raise `TimeoutError` after the deadline."""
    async with asyncio.timeout(deadline_s):
        while True:
            answer = condition()
            if await answer if inspect.isawaitable(answer) else answer:
                return
            await asyncio.sleep(0.005)
