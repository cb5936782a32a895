"""A provider whose models behave as their names say: `ok…`, `slow`, `dies`, `refuses`, `fails`, `hangs`."""

import asyncio
import json

from aiohttp import web

from tests.unit.services.gateway.fakes import completion, sse

SSE = {"content-type": "text/event-stream"}


class ProviderServer:
    """What it was asked, and how many callers hung up on it."""

    def __init__(self) -> None:
        self.bodies: list[dict[str, object]] = []
        self.headers: list[dict[str, str]] = []
        self.asked = asyncio.Event()
        self.gone = asyncio.Event()
        self.proceed = asyncio.Event()

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_post("/v1/chat/completions", self.chat)
        return app

    async def chat(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.bodies.append(body)
        self.asked.set()
        self.headers.append({name.lower(): value for name, value in request.headers.items()})
        try:
            return await self._behave(request, body["model"], stream=bool(body.get("stream")))
        except (asyncio.CancelledError, ConnectionError):
            self.gone.set()
            raise

    async def _behave(self, request: web.Request, model: str, *, stream: bool) -> web.StreamResponse:
        if model == "fails":
            return web.Response(status=500)
        if model == "refuses":
            return web.json_response({"error": {"message": "too long", "code": "context_length_exceeded"}}, status=400)
        if model == "hangs":
            await asyncio.Event().wait()
        if not stream:
            return web.Response(body=completion(f"from {model}"), content_type="application/json")
        return await self._stream(request, model)

    async def _stream(self, request: web.Request, model: str) -> web.StreamResponse:
        response = web.StreamResponse(headers=SSE)
        await response.prepare(request)
        first, *others = sse("one ", "two")
        await response.write(first)
        if model == "slow":
            await self.proceed.wait()
        if model == "dies":
            assert request.transport is not None
            request.transport.abort()
            return response
        for event in others:
            await response.write(event)
        return response


def text_of(body: bytes) -> str:
    """Return the text of a plain answer."""
    text = json.loads(body)["choices"][0]["message"]["content"]
    assert isinstance(text, str)
    return text
