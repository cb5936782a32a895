"""
A simulated OpenAI-compatible provider: `python -m deploy.local.provider --port N`.

It serves POST /v1/chat/completions (whole and streamed), POST /v1/embeddings and GET /v1/models. Any key is accepted. Tests
steer it with the `x-sim-…` headers or metadata that `deploy.local.simulation.Script` lists, and look at what it was sent with
GET /sim/requests: how many, how many the caller broke off, and the newest 100; DELETE /sim/requests forgets them.
"""

import argparse
import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import msgspec
from aiohttp import web

from deploy.local import completions as openai
from deploy.local.answers import Answer, Answers, Question, RecordedAnswers, WrittenAnswers, read_outcomes, tokens
from deploy.local.prompt_cache import PromptCache
from deploy.local.simulated_models import model_ids
from deploy.local.simulation import Script, ScriptError, read_script
from libs.runtime.clock import epoch_s

DEFAULT_MODELS = model_ids()
NEWEST_REQUESTS = 100
MAX_BODY_BYTES = 64 << 20
UNRECORDED_HEADERS = ("content-length", "transfer-encoding", "authorization")

T = TypeVar("T")


class RefusedError(Exception):
    """The request is answered with an error."""

    def __init__(self, status: int, message: str, *, code: str | None = None, retry_after_s: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.retry_after_s = retry_after_s


class SimulatedProvider:
    """Answers for `models` from `answers`; `created_s` is the clock of its answers."""

    def __init__(self, models: Sequence[str], answers: Answers, *, created_s: Callable[[], float]) -> None:
        self._models = models
        self._answers = answers
        self._created_s = created_s
        self._cache = PromptCache()
        self._forget()

    def app(self) -> web.Application:
        """Return the HTTP application."""
        app = web.Application(client_max_size=MAX_BODY_BYTES, middlewares=[_errors_as_json])
        app.router.add_post("/v1/chat/completions", self.chat)
        app.router.add_post("/v1/embeddings", self.embed)
        app.router.add_get("/v1/models", self.models)
        app.router.add_get("/sim/requests", self.requests)
        app.router.add_delete("/sim/requests", self.forget_requests)
        return app

    async def chat(self, http: web.Request) -> web.StreamResponse:
        """Answer a chat request, whole or as a stream."""
        request = _decode(await http.read(), openai.ChatRequest)
        await self._note(http, request.model)
        script = self._script(http, request)
        try:
            await _misbehave(script)
            reply = self._reply(request, script)
            if request.stream:
                return await _stream(http, request, reply, script)
            return _whole(http, reply, script)
        except (ConnectionResetError, asyncio.CancelledError):
            self._broken_off += 1
            raise

    async def embed(self, http: web.Request) -> web.Response:
        """Answer an embedding request."""
        request = _decode(await http.read(), openai.EmbeddingRequest)
        await self._note(http, request.model)
        inputs = [request.input] if isinstance(request.input, str) else request.input
        return _json(openai.embeddings(request, [tokens(text) for text in inputs]))

    async def models(self, _http: web.Request) -> web.Response:
        """List the models."""
        data = [{"id": model, "object": "model", "created": 0, "owned_by": "simulated"} for model in self._models]
        return _json({"object": "list", "data": data})

    async def requests(self, _http: web.Request) -> web.Response:
        """Tell what was sent here."""
        return _json({"total": self._total, "broken_off": self._broken_off, "newest": list(self._newest)})

    async def forget_requests(self, _http: web.Request) -> web.Response:
        """Begin counting anew."""
        self._forget()
        return web.Response(status=204)

    def _forget(self) -> None:
        self._total = 0
        self._broken_off = 0
        self._newest: deque[dict[str, Any]] = deque(maxlen=NEWEST_REQUESTS)

    async def _note(self, http: web.Request, model: str) -> None:
        headers = {k.lower(): v for k, v in http.headers.items() if k.lower() not in UNRECORDED_HEADERS}
        self._total += 1
        self._newest.append({"path": http.path, "headers": headers, "body": msgspec.Raw(await http.read())})
        if model not in self._models:
            raise RefusedError(404, f"The model `{model}` does not exist", code="model_not_found")

    def _script(self, http: web.Request, request: openai.ChatRequest) -> Script:
        script = read_script(http.headers, request.metadata or {})
        return script if script.concerns(request.model) else Script(item=script.item)

    def _reply(self, request: openai.ChatRequest, script: Script) -> openai.Reply:
        texts = tuple(message.text for message in request.messages)
        answer = self._answer(Question(model=request.model, texts=texts, item=script.item), script)
        answer, finish_reason = openai.cut(answer, request.max_completion_tokens or request.max_tokens)
        return openai.Reply(
            completion_id=f"chatcmpl-{uuid4().hex}",
            created_s=int(self._created_s()),
            model=request.model,
            answer=answer,
            cached_tokens=min(answer.prompt_tokens, self._cache.cached_tokens(request.model, texts)),
            finish_reason="tool_calls" if script.tool else finish_reason,
            tool=script.tool,
            arguments=script.arguments,
            piece_chars=script.piece_chars,
        )

    def _answer(self, question: Question, script: Script) -> Answer:
        answer = self._answers.answer(question)
        if answer is None:
            raise RefusedError(404, f"item {question.item} is not recorded for {question.model}", code="item_not_found")
        if script.text is None:
            return answer
        return msgspec.structs.replace(answer, text=script.text, completion_tokens=tokens(script.text))


async def _misbehave(script: Script) -> None:
    await asyncio.sleep(script.delay_ms / 1000)
    if script.status != web.HTTPOk.status_code:
        raise RefusedError(script.status, f"simulated {script.status}", retry_after_s=script.retry_after_s)


def _whole(http: web.Request, reply: openai.Reply, script: Script) -> web.Response:
    if script.die_after_chunks is not None:
        _break_connection(http)
    if script.malformed:
        return web.Response(body=b'{"id": "chatcmpl-', content_type="application/json")
    return _json(openai.completion(reply))


async def _stream(
    http: web.Request, request: openai.ChatRequest, reply: openai.Reply, script: Script
) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-cache"})
    await response.prepare(http)
    include_usage = request.stream_options is not None and request.stream_options.include_usage
    for sent, chunk in enumerate(openai.chunks(reply, include_usage=include_usage)):
        if sent == script.die_after_chunks:
            _break_connection(http)
            return response
        await asyncio.sleep(script.chunk_delay_ms / 1000)
        await response.write(b'data: {"id":\n\n' if script.malformed else _event(chunk))
    await response.write(b"data: [DONE]\n\n")
    return response


def _break_connection(http: web.Request) -> None:
    if http.transport is not None:
        http.transport.abort()


def _event(chunk: dict[str, Any]) -> bytes:
    return b"data: " + msgspec.json.encode(chunk) + b"\n\n"


def _json(body: object, *, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    encoded = msgspec.json.encode(body)
    return web.Response(body=encoded, status=status, headers=headers, content_type="application/json")


def _decode(body: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.DecodeError as error:
        raise RefusedError(400, str(error)) from error


@web.middleware
async def _errors_as_json(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    try:
        return await handler(request)
    except ScriptError as error:
        return _json(openai.error(str(error), kind="invalid_request_error", code="x_sim"), status=400)
    except RefusedError as error:
        kind = "server_error" if error.status >= web.HTTPInternalServerError.status_code else "invalid_request_error"
        retry = {"Retry-After": str(error.retry_after_s)} if error.retry_after_s is not None else {}
        return _json(openai.error(str(error), kind=kind, code=error.code), status=error.status, headers=retry)


async def serve(app: web.Application, host: str, port: int) -> None:
    """Serve until the task is cancelled; a caller that leaves ends its request at once."""
    runner = web.AppRunner(app, handler_cancellation=True, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        await asyncio.Event().wait()
    finally:
        await runner.cleanup()


def main() -> None:
    """Serve what the command line asks for."""
    arguments = _arguments()
    outcomes = read_outcomes(arguments.recorded) if arguments.recorded else []
    models = dict.fromkeys((*arguments.models.split(","), *(outcome.model for outcome in outcomes)))
    provider = SimulatedProvider(tuple(models), RecordedAnswers(outcomes, WrittenAnswers()), created_s=epoch_s)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(provider.app(), arguments.host, arguments.port))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m deploy.local.provider", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--models", default=",".join(DEFAULT_MODELS), help="ids, comma separated")
    parser.add_argument("--recorded", type=Path, help="JSON lines of item, model, score and token counts")
    return parser.parse_args()


if __name__ == "__main__":
    main()
