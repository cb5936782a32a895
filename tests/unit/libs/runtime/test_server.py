"""Every service answers errors, health and metrics alike."""

import json
import uuid

import msgspec
import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from libs.contracts.http import REQUEST_ID
from libs.runtime.errors import ApiError
from libs.runtime.server import HEALTH, REQUEST, error_response, json_response, new_app, parse_json, render_errors


class Inner(msgspec.Struct):
    score: int


class Body(msgspec.Struct):
    inner: Inner
    useful: bool = False


async def answered(app, path, *, headers=None):
    """Run a request through the application as its server does, without a socket."""
    app.freeze()
    request = make_mocked_request("GET", path, headers=headers or {}, app=app)
    resolved = await app.router.resolve(request)
    request._match_info = resolved
    resolved.add_app(app)
    resolved.freeze()
    handler = resolved.handler
    for middleware in reversed(app.middlewares):
        handler = bound(middleware, handler)
    return await handler(request)


def bound(middleware, handler):
    async def call(request):
        return await middleware(request, handler)

    return call


@pytest.fixture
def app():
    return new_app("test", max_body_bytes=1000)


def error_of(response):
    return json.loads(response.body)["error"]


async def test_liveness_needs_nothing(app):
    response = await answered(app, "/healthz")
    assert (200, {"status": "ok"}) == (response.status, json.loads(response.body))


@pytest.mark.parametrize(("required", "status"), [(True, 503), (False, 200)])
async def test_readiness_is_refused_when_a_required_check_fails(app, required, status):
    async def broken():
        raise ConnectionError("refused")

    app[HEALTH].add("redis", broken, required=required)
    response = await answered(app, "/readyz")
    assert status == response.status
    assert "ConnectionError: refused" == json.loads(response.body)["checks"]["redis"]["detail"]


async def test_metrics_name_the_service(app):
    response = await answered(app, "/metrics")
    assert b'agent_gateway_info{service="test"} 1.0' in response.body


async def test_an_unknown_path_answers_the_error_object(app):
    response = await answered(app, "/nowhere")
    assert (404, "not_found", "not_found_error") == (
        response.status,
        *[error_of(response)[key] for key in ("code", "type")],
    )


async def test_what_nobody_expected_answers_500_without_details(app):
    async def failing(_request):
        raise RuntimeError("the password is hush")

    app.router.add_get("/v1/failing", failing)
    response = await answered(app, "/v1/failing")
    assert (500, "INTERNAL_ERROR") == (response.status, error_of(response)["code"])
    assert b"hush" not in response.body


@pytest.mark.parametrize(
    ("raised", "status", "code"),
    [
        (web.HTTPRequestEntityTooLarge(max_size=1, actual_size=2), 413, "BODY_TOO_LARGE"),
        (web.RequestPayloadError("a broken body"), 400, "BAD_REQUEST"),
        (web.HTTPMethodNotAllowed("PUT", ["GET"]), 405, "METHOD_NOT_ALLOWED"),
        (web.HTTPBadRequest(), 400, "BAD_REQUEST"),
        (ApiError(403, "plan_required", "No.", feature="experiments"), 403, "plan_required"),
    ],
)
async def test_errors_become_the_error_object(raised, status, code):
    async def failing(_request):
        raise raised

    response = await render_errors(make_mocked_request("GET", "/"), failing)
    assert (status, code) == (response.status, error_of(response)["code"])
    assert {"message", "type", "param", "code"} <= set(error_of(response))


def test_an_error_says_when_to_come_back_and_what_the_plan_lacks():
    response = error_response(ApiError(429, "RATE_LIMIT_EXCEEDED", "Slow down.", retry_after_s=3))
    assert "3" == response.headers["Retry-After"]
    assert "feature" not in error_of(response)
    assert "x" == error_of(error_response(ApiError(403, "plan_required", "No.", feature="x")))["feature"]


async def test_a_callers_request_id_is_kept_when_it_is_a_uuid(app):
    async def who(request):
        return json_response(request[REQUEST])

    app.router.add_get("/v1/who", who)
    given = str(uuid.uuid4())
    response = await answered(app, "/v1/who", headers={REQUEST_ID: given})
    assert given == response.headers[REQUEST_ID] == json.loads(response.body)
    other = await answered(app, "/v1/who", headers={REQUEST_ID: "<script>"})
    assert uuid.UUID(other.headers[REQUEST_ID]).version == 4


async def test_a_public_address_makes_its_own_request_ids():
    app = new_app("gateway", max_body_bytes=1000, own_request_ids=True)
    given = str(uuid.uuid4())
    assert given != (await answered(app, "/healthz", headers={REQUEST_ID: given})).headers[REQUEST_ID]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b"{", None),
        (b"\xff", None),
        (b"{}", "inner"),
        (b'{"inner": {}}', "inner.score"),
        (b'{"inner": {"score": "1"}}', "inner.score"),
        (b'{"inner": {"score": 1}, "useful": 1}', "useful"),
        (b"[]", None),
    ],
)
def test_a_wrong_body_answers_400_naming_the_field(body, param):
    with pytest.raises(ApiError) as raised:
        parse_json(body, Body)
    assert (400, "BAD_REQUEST", param) == (raised.value.status, raised.value.code, raised.value.param)


def test_a_right_body_is_parsed():
    assert Body(inner=Inner(score=3), useful=True) == parse_json(b'{"inner": {"score": 3}, "useful": true}', Body)
