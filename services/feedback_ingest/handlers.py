"""HTTP in and out: `POST /v1/feedback` and `POST /v1/ratings`."""

from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from libs.contracts.http import SESSION_HEADERS
from libs.contracts.state import MAX_SESSION_ID_CHARS
from libs.kafka.ports import PublishError
from libs.runtime.errors import ApiError
from libs.runtime.identity import IDENTITY
from libs.runtime.server import json_response, parse_json, read_json
from services.feedback_ingest.domain import months
from services.feedback_ingest.domain.dialects import Dialect, InvalidFeedbackError, Probe, Submission, body_type
from services.feedback_ingest.domain.ratings import ManualRating
from services.feedback_ingest.pipeline import Caller, Intake, NoSessionError, Recorded, UnknownRequestError
from services.feedback_ingest.ports import OverQuotaError, StoreUnavailableError

# The official SDKs sleep for as long as `Retry-After` says before they repeat a 429: the rest of a month would hang them.
LONGEST_RETRY_S = 60

INTAKE: web.AppKey[Intake] = web.AppKey("intake", Intake)
NOW_MS: web.AppKey[Callable[[], int]] = web.AppKey("now_ms")


def add_routes(app: web.Application, now_ms: Callable[[], int]) -> None:
    """Answer the two paths; the application has to bring an `Intake` under `INTAKE` and the identity middleware."""
    app[NOW_MS] = now_ms
    app.router.add_post("/v1/feedback", _rate_session)
    app.router.add_post("/v1/ratings", _rate_manually)


@web.middleware
async def render_refusals(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Turn what the service refuses into the errors of the wire contract."""
    try:
        return await handler(request)
    except InvalidFeedbackError as error:
        raise ApiError(400, "BAD_REQUEST", str(error), param=error.field) from error
    except NoSessionError as error:
        raise ApiError(
            400,
            "BAD_REQUEST",
            "Which session is rated? Give session_id, the header floopy-session-id, or a completion's id.",
            param="session_id",
        ) from error
    except UnknownRequestError as error:
        raise ApiError(404, "not_found", "Not found.") from error
    except OverQuotaError as error:
        raise ApiError(
            429,
            "MONTHLY_LIMIT_EXCEEDED",
            "The plan's ratings of this month are used up.",
            retry_after_s=min(LONGEST_RETRY_S, months.seconds_left(request.app[NOW_MS]())),
        ) from error
    except (StoreUnavailableError, PublishError) as error:
        raise ApiError(
            503, "SERVICE_UNAVAILABLE", "The rating could not be stored; send it again.", retry_after_s=1
        ) from error


async def _rate_session(request: web.Request) -> web.Response:
    caller = _writer(request)
    submission = await _read_submission(request)
    recorded = await request.app[INTAKE].rate_session(submission, caller, header_session=_header_session(request))
    return json_response(_answer(recorded, submission.dialect))


async def _rate_manually(request: web.Request) -> web.Response:
    caller = _writer(request)
    rating = await read_json(request, ManualRating)
    return json_response(_answer(await request.app[INTAKE].rate_manually(rating, caller), "floopy"))


def _writer(request: web.Request) -> Caller:
    identity = request[IDENTITY]
    if "write" not in identity.permissions:
        raise ApiError(403, "FORBIDDEN", "This key may not write.")
    return Caller(tenant=identity.tenant, key_id=identity.key_id, plan=identity.plan)


async def _read_submission(request: web.Request) -> Submission:
    body = await request.read()
    return parse_json(body, body_type(parse_json(body, Probe))).submission()


def _header_session(request: web.Request) -> str | None:
    named = next((request.headers[name] for name in SESSION_HEADERS if request.headers.get(name)), None)
    if named is not None and len(named) > MAX_SESSION_ID_CHARS:
        raise ApiError(
            400, "BAD_REQUEST", f"A session id has at most {MAX_SESSION_ID_CHARS} characters.", param="session_id"
        )
    return named


def _answer(recorded: Recorded, dialect: Dialect) -> dict[str, Any]:
    answer: dict[str, Any] = {"duplicate": recorded.duplicate, "session_id": recorded.event.session_id}
    if dialect == "tensorzero":
        answer |= {"feedback_id": recorded.event.event_id}
    elif dialect == "portkey":
        message = "Feedback successfully saved"
        answer |= {"status": "success", "message": message, "feedback_ids": [recorded.event.event_id]}
    return answer
