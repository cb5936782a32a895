"""Waiting out the absence of a backend: a task that fails for a known reason is begun again, ever less often."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

log = structlog.get_logger(__name__)

FIRST_WAIT_S = 0.25
LONGEST_WAIT_S = 10.0


async def persevere(
    name: str,
    attempt: Callable[[], Awaitable[None]],
    *,
    stop: asyncio.Event,
    recoverable: tuple[type[Exception], ...],
    on_wait: Callable[[], None] | None = None,
) -> None:
    """
    Await *attempt* until it returns, again after each *recoverable* error; any other error rises.

    The wait doubles from `FIRST_WAIT_S` to `LONGEST_WAIT_S` and starts over after an attempt that lasted longer than that.
    """
    clock = asyncio.get_running_loop().time
    wait_s = FIRST_WAIT_S
    while not stop.is_set():
        began_s = clock()
        try:
            await attempt()
        except recoverable as error:
            wait_s = FIRST_WAIT_S if clock() - began_s > LONGEST_WAIT_S else wait_s
            log.warning("task.waiting", task=name, reason=f"{type(error).__name__}: {error}", wait_s=wait_s)
            if on_wait is not None:
                on_wait()
            await _pause(stop, wait_s)
            wait_s = min(2 * wait_s, LONGEST_WAIT_S)
        else:
            return


async def _pause(stop: asyncio.Event, wait_s: float) -> None:
    try:
        await asyncio.wait_for(stop.wait(), wait_s)
    except TimeoutError:
        return
