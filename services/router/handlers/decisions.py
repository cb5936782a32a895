"""Decisions over HTTP: one, a page of them, an export of all, and a session's conversation."""

import asyncio
from collections.abc import Mapping

import structlog
from aiohttp import web

from libs.contracts.events import RequestCompleted
from libs.runtime.server import REQUEST, json_response
from services.router.domain import queries
from services.router.domain.cursor import Position
from services.router.domain.decisions import view
from services.router.domain.export import MEDIA_TYPES, Writer, exported
from services.router.domain.refusals import AbsentError
from services.router.domain.transcripts import restore
from services.router.handlers.wiring import CURSOR_SECRET, DECISION_LOG, LIMITS, METRICS, SESSION_NAMES, caller
from services.router.ports import DecisionLogUnavailableError

log = structlog.get_logger(__name__)

POLL_S = 0.15


def add_routes(app: web.Application) -> None:
    """Serve the decision log."""
    app.router.add_get("/v1/decisions", list_decisions)
    app.router.add_get("/v1/decisions/{request_id}", read_decision)
    app.router.add_get("/v1/export/decisions", export_decisions)
    app.router.add_get("/v1/session/{session_id}", read_session)


async def read_decision(request: web.Request) -> web.Response:
    """Answer one decision; a request that has just finished is waited for, briefly."""
    tenant = caller(request, "read").tenant
    queries.refuse_unknown(request.query, ())
    event = await _find_soon(request, tenant, request.match_info["request_id"])
    if event is None:
        raise AbsentError
    return json_response(view(event, await request.app[DECISION_LOG].ratings(tenant, [event.session_id])))


async def list_decisions(request: web.Request) -> web.Response:
    """Answer a page of decisions, newest first, and the cursor of the next."""
    tenant = caller(request, "read").tenant
    secret = request.app[CURSOR_SECRET].value
    page = queries.read_page(tenant, _named(request, tenant), secret=secret)
    found = await request.app[DECISION_LOG].page(page)
    shown, has_more = found[: page.limit], len(found) > page.limit
    ratings = await request.app[DECISION_LOG].ratings(tenant, {event.session_id for event in shown})
    last = Position(shown[-1].created_at_ms, shown[-1].request_id) if has_more else None
    return json_response(
        {
            "items": [view(event, ratings) for event in shown],
            "next_cursor": None if last is None else queries.next_cursor(last, page.filters, secret=secret),
            "has_more": has_more,
        }
    )


async def export_decisions(request: web.Request) -> web.StreamResponse:
    """Stream every decision of a time range, and end with the trailer; what fails under way is said there."""
    tenant = caller(request, "read").tenant
    export = queries.read_export(tenant, request.query)
    chunks = aiter(request.app[DECISION_LOG].export(export.filters))
    # The first chunk is fetched before the answer begins, so that a log that is away is still an honest 503.
    chunk = await anext(chunks, None)
    writer = Writer(export.form)
    response = web.StreamResponse(headers={"x-request-id": request[REQUEST]})
    response.content_type = MEDIA_TYPES[export.form]
    await response.prepare(request)
    await response.write(writer.head())
    reason = None
    try:
        while chunk is not None and reason is None:
            room = request.app[LIMITS].export_rows - writer.rows
            await response.write(b"".join(writer.row(exported(event)) for event in chunk[:room]))
            reason = "row_limit" if len(chunk) > room else None
            chunk = await anext(chunks, None)
    except DecisionLogUnavailableError as error:
        log.warning("export.broken", tenant=tenant, rows=writer.rows, reason=str(error))
        reason = "decision_log_unavailable"
    request.app[METRICS].exported_rows.inc(writer.rows)
    if reason is not None:
        request.app[METRICS].truncated_exports.labels(reason=reason).inc()
    await response.write(writer.trailer(reason=reason))
    await response.write_eof()
    return response


async def read_session(request: web.Request) -> web.Response:
    """Answer the conversation of a session, where its bodies are stored."""
    tenant = caller(request, "read").tenant
    session_id = request.app[SESSION_NAMES].of(tenant, request.match_info["session_id"])
    turns = await request.app[DECISION_LOG].transcripts(tenant, session_id)
    if not turns:
        raise AbsentError
    return json_response(restore(session_id, turns))


def _named(request: web.Request, tenant: str) -> Mapping[str, str]:
    """Return the query with the session under the name that the log knows it by."""
    given = request.query.get("session_id")
    if given is None:
        return request.query
    return {**request.query, "session_id": request.app[SESSION_NAMES].of(tenant, given)}


async def _find_soon(request: web.Request, tenant: str, request_id: str) -> RequestCompleted | None:
    loop = asyncio.get_running_loop()
    deadline_s = loop.time() + request.app[LIMITS].landing_wait_s
    while True:
        found = await request.app[DECISION_LOG].find(tenant, request_id)
        if found is not None or loop.time() >= deadline_s:
            return found
        await asyncio.sleep(min(POLL_S, max(0.0, deadline_s - loop.time())))
