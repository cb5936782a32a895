"""HTTP in front of the pipeline: read a request, call, write the answer; nothing is decided here."""

from contextlib import aclosing

from aiohttp import web

from libs.contracts.http import owner_of
from libs.providers.catalogue import Catalogue, Model
from libs.runtime.errors import ApiError
from libs.runtime.server import REQUEST, json_response
from services.gateway.domain.caller import Caller
from services.gateway.domain.errors import RefusedError
from services.gateway.forwarding import Forwarder
from services.gateway.pipeline.authentication import authenticate
from services.gateway.pipeline.chat import ChatPipeline
from services.gateway.pipeline.exchange import ChatCall, StreamedAnswer
from services.gateway.ports import Directory

PIPELINE: web.AppKey[ChatPipeline] = web.AppKey("pipeline", ChatPipeline)
FORWARDER: web.AppKey[Forwarder] = web.AppKey("forwarder", Forwarder)
CATALOGUE: web.AppKey[Catalogue] = web.AppKey("catalogue", Catalogue)
DIRECTORY: web.AppKey[Directory] = web.AppKey("directory", Directory)

OWN = {"/v1/chat/completions": "POST", "/v1/models": "GET"}


def add_routes(app: web.Application) -> None:
    """Let *app* answer the gateway's paths, and pass on those of the other services."""
    app.router.add_post("/v1/chat/completions", chat_completions)
    app.router.add_get("/v1/models", models)
    app.router.add_get("/v1/models/{name:.+}", model)
    app.router.add_route("*", "/v1/{path:.*}", forward)


async def chat_completions(request: web.Request) -> web.StreamResponse:
    """Answer `POST /v1/chat/completions`, whole or as server-sent events."""
    call = ChatCall(
        request_id=request[REQUEST],
        authorization=request.headers.get("authorization"),
        headers=tuple(request.headers.items()),
        body=await request.read(),
    )
    answer = await request.app[PIPELINE].complete(call)
    if isinstance(answer, StreamedAnswer):
        return await _stream(request, answer)
    return web.Response(status=answer.status, headers=answer.headers, body=answer.body)


async def models(request: web.Request) -> web.Response:
    """Answer `GET /v1/models`: the catalogue, or the tenant's candidates where its policy names some."""
    caller = await _authenticated(request)
    return json_response({"object": "list", "data": [_described(model) for model in _offered(request, caller)]})


async def model(request: web.Request) -> web.Response:
    """Answer `GET /v1/models/{id}`."""
    caller = await _authenticated(request)
    name = request.match_info["name"]
    found = next((offered for offered in _offered(request, caller) if offered.id == name), None)
    if found is None:
        raise ApiError(404, "not_found", "Not found.")
    return json_response(_described(found))


async def forward(request: web.Request) -> web.StreamResponse:
    """Pass the request on to the service that owns its path; 404 where nobody does."""
    caller = await _authenticated(request)
    if request.path in OWN:
        raise web.HTTPMethodNotAllowed(request.method, [OWN[request.path]])
    owner = owner_of(request.path)
    if owner is None:
        raise ApiError(404, "not_found", "Not found.")
    return await request.app[FORWARDER].forward(request, owner, caller)


async def _stream(request: web.Request, answer: StreamedAnswer) -> web.StreamResponse:
    response = web.StreamResponse(status=answer.status, headers=answer.headers)
    async with aclosing(answer.chunks) as chunks:
        await response.prepare(request)
        async for chunk in chunks:
            await response.write(chunk)
    await response.write_eof()
    return response


async def _authenticated(request: web.Request) -> Caller:
    try:
        return await authenticate(request.app[DIRECTORY], request.headers.get("authorization"))
    except RefusedError as refusal:
        raise ApiError(refusal.status, refusal.code, refusal.message, retry_after_s=refusal.retry_after_s) from refusal


def _offered(request: web.Request, caller: Caller) -> list[Model]:
    catalogue, candidates = request.app[CATALOGUE].models, caller.policy.candidates
    return [catalogue[name] for name in candidates or catalogue if name in catalogue]


def _described(model: Model) -> dict[str, object]:
    return {"id": model.id, "object": "model", "created": 0, "owned_by": model.provider}
