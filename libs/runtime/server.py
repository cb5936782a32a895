"""The HTTP application every service starts from: error object, request id, health, metrics, JSON in and out."""

import re
import uuid
from collections.abc import Awaitable, Callable, Hashable, Iterable
from functools import lru_cache
from typing import Any, TypeVar, cast

import msgspec
import structlog
from aiohttp import web
from prometheus_client import CollectorRegistry

from libs.contracts.http import REQUEST_ID, ErrorCode
from libs.contracts.unreadable import UNREADABLE
from libs.runtime import metrics
from libs.runtime.errors import ApiError
from libs.runtime.health import Health

log = structlog.get_logger(__name__)

T = TypeVar("T")
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

HEALTH: web.AppKey[Health] = web.AppKey("health", Health)
REGISTRY: web.AppKey[CollectorRegistry] = web.AppKey("registry", CollectorRegistry)
REQUEST: web.RequestKey[str] = web.RequestKey("request_id", str)

_FIELD = re.compile(r" - at `\$\.?(?P<field>[^`]*)`$")
_MISSING = re.compile(r"missing required field `(?P<field>[^`]*)`")
_STATUSES: dict[int, tuple[ErrorCode, str]] = {
    400: ("BAD_REQUEST", "The request could not be read."),
    404: ("not_found", "Not found."),
    405: ("METHOD_NOT_ALLOWED", "This path does not take this method."),
    413: ("BODY_TOO_LARGE", "The request body is too large."),
}


def new_app(
    service: str,
    *,
    max_body_bytes: int,
    middlewares: Iterable[Any] = (),
    own_request_ids: bool = False,
) -> web.Application:
    """
    Return an application with `/healthz`, `/readyz`, `/metrics`, request ids and the error object.

    *middlewares* run inside these. A caller's `x-request-id` is kept when it is a UUID, unless *own_request_ids*: a public
    address makes its own.
    """
    app = web.Application(
        middlewares=[_identify_request(own_request_ids), render_errors, *middlewares], client_max_size=max_body_bytes
    )
    app[HEALTH] = Health()
    app[REGISTRY] = metrics.new_registry(service)
    app.router.add_get("/healthz", _alive)
    app.router.add_get("/readyz", _ready)
    app.router.add_get("/metrics", _metrics)
    return app


def json_response(value: Any, *, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """Return *value* (a Struct or plain data) as a JSON answer."""
    return web.Response(
        body=msgspec.json.encode(value),
        status=status,
        headers=headers,
        content_type="application/json",
        charset="utf-8",
    )


def error_response(error: ApiError) -> web.Response:
    """Return *error* as the wire contract's error object."""
    return web.Response(
        body=error.body(),
        status=error.status,
        headers=error.headers(),
        content_type="application/json",
        charset="utf-8",
    )


async def read_json(request: web.Request, kind: type[T]) -> T:
    """Return the request's body as *kind*; raises `ApiError` 400 naming the field at fault, or 413."""
    return parse_json(await request.read(), kind)


def parse_json(body: bytes, kind: type[T]) -> T:
    """Return *body* as *kind*; raises `ApiError` 400 naming the field at fault."""
    try:
        decoded: T = _decoder(cast(Hashable, kind)).decode(body)
    except msgspec.ValidationError as error:
        text = str(error)
        raise ApiError(400, "BAD_REQUEST", text, param=_field_at_fault(text)) from error
    except UNREADABLE as error:
        raise ApiError(400, "BAD_REQUEST", f"The body is not valid JSON: {error}") from error
    return decoded


@web.middleware
async def render_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer errors with the error object; what nobody expected is logged and answers 500."""
    try:
        return await handler(request)
    except ApiError as error:
        return error_response(error)
    except web.HTTPException as error:
        if error.status not in _STATUSES:
            raise
        return error_response(ApiError(error.status, *_STATUSES[error.status]))
    except web.RequestPayloadError:  # Broken chunks or compression; what it says quotes the body.
        return error_response(ApiError(400, *_STATUSES[400]))
    except Exception:
        log.exception("request.failed", method=request.method, path=request.path, request_id=request.get(REQUEST))
        return error_response(ApiError(500, "INTERNAL_ERROR", "Something went wrong on our side."))


def _identify_request(own_request_ids: bool) -> Any:  # noqa: FBT001 - one private caller
    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        given = None if own_request_ids else request.headers.get(REQUEST_ID)
        request_id = given if given and _is_uuid(given) else str(uuid.uuid4())
        request[REQUEST] = request_id
        response = await handler(request)
        if not response.prepared:
            response.headers.setdefault(REQUEST_ID, request_id)
        return response

    return middleware


def _is_uuid(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text.lower()
    except ValueError:
        return False


def _field_at_fault(message: str) -> str | None:
    at = _FIELD.search(message)
    path = at["field"] if at else ""
    missing = _MISSING.search(message)
    names = [path, missing["field"] if missing else ""]
    return ".".join(name for name in names if name) or None


@lru_cache(maxsize=256)
def _decoder(kind: Any) -> "msgspec.json.Decoder[Any]":
    return msgspec.json.Decoder(kind)


async def _alive(_request: web.Request) -> web.Response:
    return json_response({"status": "ok"})


async def _ready(request: web.Request) -> web.Response:
    report = await request.app[HEALTH].report()
    return json_response(report, status=503 if report.status == "failing" else 200)


async def _metrics(request: web.Request) -> web.Response:
    return web.Response(body=metrics.exposition(request.app[REGISTRY]), headers={"Content-Type": metrics.CONTENT_TYPE})
