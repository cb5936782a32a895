"""HTTP in and out: `POST /v1/firewall/scan`."""

import asyncio
from typing import Any

import msgspec
from aiohttp import web

from libs.contracts.unreadable import UNREADABLE
from libs.runtime.errors import ApiError
from libs.runtime.identity import IDENTITY
from libs.runtime.server import json_response
from libs.scanner.scanner import ScannerBusyError, ScannerError, ScannerTimeoutError
from libs.scanner.verdict import Thresholds, Verdict
from services.firewall.domain.scan_request import InvalidScanError, ScanRequest, parse
from services.firewall.pipeline import Inspector

INSPECTOR: web.AppKey[Inspector] = web.AppKey("inspector", Inspector)


def add_routes(app: web.Application) -> None:
    """Answer the path; the application has to bring an `Inspector` under `INSPECTOR` and the identity middleware."""
    app.router.add_post("/v1/firewall/scan", _scan)


async def _scan(request: web.Request) -> web.Response:
    asked = _parse(await request.read())
    inspector = request.app[INSPECTOR]
    thresholds = await inspector.thresholds_of(request[IDENTITY].tenant)
    verdicts = await _verdicts(inspector, asked, thresholds)
    return json_response({"results": [_result(verdict, explain=asked.explain) for verdict in verdicts]})


def _parse(body: bytes) -> ScanRequest:
    try:
        return parse(body)
    except InvalidScanError as error:
        raise ApiError(400, "BAD_REQUEST", str(error), param=error.param) from error
    except UNREADABLE as error:
        raise ApiError(400, "BAD_REQUEST", f"The body cannot be read: {error}") from error


async def _verdicts(inspector: Inspector, asked: ScanRequest, thresholds: Thresholds) -> list[Verdict]:
    try:
        return await asyncio.gather(*(inspector.inspect(item, thresholds, origin="api") for item in asked.items))
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
