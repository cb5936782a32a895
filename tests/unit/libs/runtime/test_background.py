"""A background task lives as long as the application; when it fails the process learns of it."""

import asyncio

import pytest
from aiohttp import web

from libs.runtime.background import SUPERVISOR, TaskFailedError, background


async def run_app(app, during):
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        return await during()
    finally:
        await runner.cleanup()


async def test_a_task_is_asked_to_stop_at_cleanup():
    seen = []

    async def task(stop):
        seen.append("started")
        await stop.wait()
        seen.append("stopped")

    app = web.Application()
    background(app, "task", task)
    await run_app(app, lambda: asyncio.sleep(0))
    assert ["started", "stopped"] == seen
    assert app[SUPERVISOR].failure is None


async def fail(_stop):
    raise ConnectionError("lost")


async def return_early(_stop):
    return None


@pytest.mark.parametrize(("task", "error"), [(fail, ConnectionError), (return_early, TaskFailedError)])
async def test_a_task_that_ends_unasked_is_a_failure(task, error):
    app = web.Application()
    background(app, "task", task)
    await run_app(app, lambda: asyncio.wait_for(app[SUPERVISOR].wait(), 5))
    assert isinstance(app[SUPERVISOR].failure, error)


async def test_a_task_that_does_not_stop_is_cancelled():
    cancelled = asyncio.Event()

    async def stubborn(_stop):
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    app = web.Application()
    background(app, "stubborn", stubborn, stop_timeout_s=0.01)
    await run_app(app, lambda: asyncio.sleep(0))
    assert cancelled.is_set()
    assert app[SUPERVISOR].failure is None


async def test_tasks_stop_in_reverse_order():
    stopped = []

    def named(name):
        async def task(stop):
            await stop.wait()
            stopped.append(name)

        return task

    app = web.Application()
    for name in ("first", "second"):
        background(app, name, named(name))
    await run_app(app, lambda: asyncio.sleep(0))
    assert ["second", "first"] == stopped
