"""A service as a process: it drains on SIGTERM, and its exit code tells a failed task."""

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp

SERVICE = """
import asyncio, sys
from aiohttp import web
from libs.runtime.background import background
from libs.runtime.config import ServiceConfig
from libs.runtime.lifecycle import main
from libs.runtime.server import json_response, new_app

async def slow(request):
    print("slow.began", flush=True)
    await asyncio.sleep(0.5)
    return json_response("done")

async def echo(request):
    return web.Response(body=await request.read())

async def hang(request):
    print("hang.began", flush=True)
    await asyncio.Event().wait()

async def resource(name, app):
    yield
    print(f"closed.{name}", flush=True)

def build(config):
    app = new_app("probe", max_body_bytes=config.max_body_bytes)
    fail = asyncio.Event()

    async def failing(stop):
        await asyncio.wait([asyncio.ensure_future(fail.wait()), asyncio.ensure_future(stop.wait())],
                           return_when=asyncio.FIRST_COMPLETED)
        if fail.is_set():
            raise ConnectionError("lost")

    async def break_it(request):
        fail.set()
        return json_response("broken")

    app.cleanup_ctx.append(lambda app: resource("first", app))
    app.cleanup_ctx.append(lambda app: resource("second", app))
    background(app, "failing", failing)
    app.router.add_get("/v1/slow", slow)
    app.router.add_get("/v1/hang", hang)
    app.router.add_get("/v1/break", break_it)
    app.router.add_post("/v1/echo", echo)
    return app

sys.exit(main("probe", ServiceConfig, build))
"""


class Process:
    """The service above, listening on `url`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.url = ""

    async def line(self, event: str) -> dict:
        """Return the next line of output that says *event*."""
        assert self._process.stdout is not None
        async with asyncio.timeout(30):
            while raw := await self._process.stdout.readline():
                text = raw.decode().strip()
                line = json.loads(text) if text.startswith("{") else {"event": text}
                if line["event"] == event:
                    return line
        raise AssertionError(f"the process ended without saying {event}")

    def terminate(self) -> None:
        self._process.send_signal(signal.SIGTERM)

    async def exit_code(self) -> int:
        return await asyncio.wait_for(self._process.wait(), 30)

    def kill(self) -> None:
        if self._process.returncode is None:
            self._process.kill()


@asynccontextmanager
async def service(**env: str) -> AsyncIterator[Process]:
    started = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SERVICE, stdout=asyncio.subprocess.PIPE, env={"PORT": "0", "MAX_BODY_BYTES": "1000"} | env
    )
    process = Process(started)
    try:
        listening = await process.line("service.listening")
        process.url = f"http://127.0.0.1:{listening['port']}"
        yield process
    finally:
        process.kill()
        await process.exit_code()


async def get(session: aiohttp.ClientSession, url: str) -> str:
    async with session.get(url) as response:
        return await response.text()


async def test_a_request_in_flight_is_answered_after_sigterm():
    async with service() as process, aiohttp.ClientSession() as session:
        answer = asyncio.create_task(get(session, f"{process.url}/v1/slow"))
        await process.line("slow.began")
        process.terminate()
        assert '"done"' == await answer
        assert 0 == await process.exit_code()


async def test_resources_are_closed_in_reverse():
    async with service() as process:
        process.terminate()
        await process.line("closed.second")
        await process.line("closed.first")
        assert 0 == await process.exit_code()


async def test_a_request_that_never_ends_is_cut_off_when_the_drain_is_over():
    async with service(DRAIN_TIMEOUT_S="0.2") as process, aiohttp.ClientSession() as session:
        answer = asyncio.create_task(get(session, f"{process.url}/v1/hang"))
        await process.line("hang.began")
        process.terminate()
        assert 0 == await process.exit_code()
        assert isinstance((await asyncio.gather(answer, return_exceptions=True))[0], aiohttp.ClientError)


async def test_a_failed_task_ends_the_process_with_an_error():
    async with service() as process, aiohttp.ClientSession() as session:
        await get(session, f"{process.url}/v1/break")
        assert "task.failed" == (await process.line("task.failed"))["event"]
        assert 1 == await process.exit_code()


async def test_a_body_beyond_the_limit_is_refused():
    async with (
        service() as process,
        aiohttp.ClientSession() as session,
        session.post(f"{process.url}/v1/echo", data=b"x" * 1001) as response,
    ):
        assert (413, "BODY_TOO_LARGE") == (response.status, (await response.json())["error"]["code"])
