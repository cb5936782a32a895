"""HTTP in and out: `/v1/firewall/scan` for anybody's texts, `/verdict` for a gateway's requests, `/feedback` for labels."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
from aiohttp import web

from libs.contracts.http import FIREWALL_POLICY, FIREWALL_VERDICT_PATH
from libs.contracts.state import FirewallPolicy
from libs.contracts.unreadable import UNREADABLE
from libs.kafka.ports import PublishError
from libs.runtime.errors import ApiError
from libs.runtime.identity import IDENTITY
from libs.runtime.server import json_response, parse_json, read_json
from libs.scanner.scanner import ScannerBusyError, ScannerError, ScannerTimeoutError
from libs.scanner.text import extract, unscanned_roles
from libs.scanner.verdict import Thresholds, Verdict
from services.firewall.domain.labels import LabelRequest, NoSubjectError
from services.firewall.domain.scan_request import InvalidScanError, ScanRequest, parse
from services.firewall.labelling import ConflictingLabelError, Labelling, NoTrainingError, UnknownRequestError
from services.firewall.pipeline import Inspector
from services.firewall.ports import StoreUnavailableError

INSPECTOR: web.AppKey[Inspector] = web.AppKey("inspector", Inspector)
LABELLING: web.AppKey[Labelling] = web.AppKey("labelling", Labelling)


def add_routes(app: web.Application) -> None:
    """Answer the paths; the application has to bring what stands under the two keys, and the identity middleware."""
    app.router.add_post("/v1/firewall/scan", _scan)
    app.router.add_post(FIREWALL_VERDICT_PATH, _judge)
    app.router.add_post("/v1/firewall/feedback", _label)


async def _scan(request: web.Request) -> web.Response:
    asked = _parse(await request.read())
    inspector = request.app[INSPECTOR]
    thresholds = await inspector.thresholds_of(request[IDENTITY].tenant)
    verdicts = await _verdicts(inspector, asked, thresholds)
    return json_response({"results": [_result(verdict, explain=asked.explain) for verdict in verdicts]})


async def _judge(request: web.Request) -> web.Response:
    """Answer with the verdict on a chat request, as its client sent it, under the policy that came with it or the stored one."""
    body, inspector = await request.read(), request.app[INSPECTOR]
    policy = _policy(request) or await inspector.policy_of(request[IDENTITY].tenant)
    try:
        segments = extract(body, skip=unscanned_roles(scan_system=policy.scan_system))
    except UNREADABLE as error:
        raise ApiError(400, "BAD_REQUEST", f"The body cannot be read: {error}") from error
    with _refusals():
        verdict = await inspector.inspect(segments, inspector.thresholds(policy), origin="gateway")
    return json_response(_result(verdict, explain=False))


async def _label(request: web.Request) -> web.Response:
    identity = request[IDENTITY]
    if "write" not in identity.permissions:
        raise ApiError(403, "FORBIDDEN", "This key may not write.")
    with _label_refusals():
        asked = await read_json(request, LabelRequest)
        labelled = await request.app[LABELLING].label(asked, tenant=identity.tenant, labeller=identity.key_id)
    event = labelled.event
    told = {"label": event.label, "session_id": event.session_id, "request_id": event.request_id}
    return json_response({"duplicate": labelled.duplicate, **told})


@contextmanager
def _label_refusals() -> Iterator[None]:
    try:
        yield
    except NoSubjectError as error:
        message = "Name what is labelled: request_id or session_id."
        raise ApiError(400, "BAD_REQUEST", message, param="request_id") from error
    except UnknownRequestError as error:
        raise ApiError(404, "not_found", "Not found.") from error
    except NoTrainingError as error:
        message = "This tenant's policy does not let its prompts train the firewall: leave the text out."
        raise ApiError(400, "BAD_REQUEST", message, param="text") from error
    except ConflictingLabelError as error:
        raise ApiError(409, "CONFLICT", "This has another label already.", param="label") from error
    except (StoreUnavailableError, PublishError) as error:
        message = "The label could not be stored; send it again."
        raise ApiError(503, "SERVICE_UNAVAILABLE", message, retry_after_s=1) from error


def _policy(request: web.Request) -> FirewallPolicy | None:
    told = request.headers.get(FIREWALL_POLICY)
    return None if told is None else parse_json(told.encode(), FirewallPolicy)


def _parse(body: bytes) -> ScanRequest:
    try:
        return parse(body)
    except InvalidScanError as error:
        raise ApiError(400, "BAD_REQUEST", str(error), param=error.param) from error
    except UNREADABLE as error:
        raise ApiError(400, "BAD_REQUEST", f"The body cannot be read: {error}") from error


async def _verdicts(inspector: Inspector, asked: ScanRequest, thresholds: Thresholds) -> list[Verdict]:
    with _refusals():
        return await asyncio.gather(*(inspector.inspect(item, thresholds, origin="api") for item in asked.items))


@contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except ScannerTimeoutError as error:
        raise ApiError(504, "GATEWAY_TIMEOUT", "The scan took too long.") from error
    except ScannerBusyError as error:
        raise ApiError(503, "SERVICE_UNAVAILABLE", "The scanner is busy.", retry_after_s=1) from error
    except ScannerError as error:
        raise ApiError(503, "SERVICE_UNAVAILABLE", "The scanner gave no verdict.", retry_after_s=1) from error


def _result(verdict: Verdict, *, explain: bool) -> dict[str, Any]:
    """Leave the evidence out unless it was asked for: it repeats pieces of the text."""
    result = msgspec.structs.asdict(verdict)
    if not explain:
        del result["evidence"]
    return result
