"""An OpenAI-compatible endpoint that answers as it is told, for tests of the judge."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web


class JudgeServer:
    """Gives *answers* in turn, the last one for ever: a status, the text of a message, or None to hang."""

    def __init__(self, *answers: int | str | None) -> None:
        self.asked: list[dict[str, Any]] = []
        self.authorizations: list[str | None] = []
        self.url = ""
        self._answers = list(answers)
        self._closing = asyncio.Event()

    @asynccontextmanager
    async def serving(self) -> AsyncIterator["JudgeServer"]:
        app = web.Application()
        app.router.add_post("/v1/chat/completions", self._answer)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
        yield self
        self._closing.set()
        await runner.cleanup()

    async def _answer(self, request: web.Request) -> web.Response:
        self.asked.append(await request.json())
        self.authorizations.append(request.headers.get("Authorization"))
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if answer is None:
            await self._closing.wait()
        if isinstance(answer, int):
            return web.json_response({"error": {"message": "no"}}, status=answer)
        return web.json_response({"choices": [{"message": {"role": "assistant", "content": answer}}]})
