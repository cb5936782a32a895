"""Supervised tasks: each lives as long as the application, and its failure ends the process."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import structlog
from aiohttp import web

log = structlog.get_logger(__name__)


class TaskFailedError(Exception):
    """A background task ended although nobody asked it to."""


class Supervisor:
    """Remembers the first background task that failed."""

    def __init__(self) -> None:
        self._failed = asyncio.Event()
        self.failure: BaseException | None = None

    def report(self, name: str, error: BaseException) -> None:
        """Note that task *name* ended with *error*."""
        log.error("task.failed", task=name, exc_info=error)
        if self.failure is None:
            self.failure = error
        self._failed.set()

    async def wait(self) -> None:
        """Return once a task has failed."""
        await self._failed.wait()


SUPERVISOR: web.AppKey[Supervisor] = web.AppKey("supervisor", Supervisor)


def background(
    app: web.Application,
    name: str,
    run: Callable[[asyncio.Event], Coroutine[Any, Any, None]],
    *,
    stop_timeout_s: float = 10.0,
) -> None:
    """
    Run `run(stop)` from the application's start until its cleanup, in the order of registration (stopped in reverse).

    At cleanup *stop* is set; a task still running *stop_timeout_s* later is cancelled. A task that raises, or returns before
    it was asked to stop, ends the process with a non-zero exit code.
    """

    async def context(app: web.Application) -> AsyncIterator[None]:
        stop = asyncio.Event()
        task = asyncio.create_task(run(stop), name=name)
        task.add_done_callback(lambda done: _judge(app, name, done, asked=stop.is_set()))
        yield
        stop.set()
        await _finish(task, name, stop_timeout_s)

    app.setdefault(SUPERVISOR, Supervisor())
    app.cleanup_ctx.append(context)


def _judge(app: web.Application, name: str, task: asyncio.Task[None], *, asked: bool) -> None:
    if task.cancelled():
        return
    error = task.exception()
    if error is None and not asked:
        error = TaskFailedError(f"{name} ended early")
    if error is not None:
        app[SUPERVISOR].report(name, error)


async def _finish(task: asyncio.Task[None], name: str, timeout_s: float) -> None:
    _, pending = await asyncio.wait([task], timeout=timeout_s)
    if pending:
        log.warning("task.cancelled", task=name, after_s=timeout_s)
        task.cancel()
        await asyncio.wait([task])
