"""What the handlers find in the application, who is asking, and what refusals look like on the wire."""

from collections.abc import Awaitable, Callable
from typing import Literal

import msgspec
from aiohttp import web

from libs.providers.catalogue import Catalogue
from libs.redaction.sessions import SessionNames
from libs.runtime.errors import ApiError
from libs.runtime.identity import IDENTITY, Identity
from services.router.control import Control, Order
from services.router.domain.refusals import AbsentError, ConflictError, RefusedError
from services.router.metrics import RouterMetrics
from services.router.ports import (
    AuditLog,
    BusyError,
    ControlLogUnavailableError,
    DecisionLog,
    DecisionLogUnavailableError,
    Firewall,
    LiveState,
    OutcomeLog,
    PolicyUnavailableError,
)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Stamps(msgspec.Struct, frozen=True, kw_only=True):
    """Where times and ids come from: Unix milliseconds, and texts that were never used before."""

    clock_ms: Callable[[], int]
    new_id: Callable[[], str]


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds of answers: rows of an export, requests of a what-if, and the wait for a decision whose row has to land."""

    export_rows: int = 1_000_000
    what_if_requests: int = 20_000
    landing_wait_s: float = 0.5


class CursorSecret(msgspec.Struct, frozen=True):
    """What cursors are signed with."""

    value: bytes


AUDIT_LOG: web.AppKey[AuditLog] = web.AppKey("audit_log", AuditLog)
CONTROL: web.AppKey[Control] = web.AppKey("control", Control)
CATALOGUE: web.AppKey[Catalogue] = web.AppKey("catalogue", Catalogue)
CURSOR_SECRET: web.AppKey[CursorSecret] = web.AppKey("cursor_secret", CursorSecret)
DECISION_LOG: web.AppKey[DecisionLog] = web.AppKey("decision_log", DecisionLog)
FIREWALL: web.AppKey[Firewall] = web.AppKey("firewall", Firewall)
LIVE_STATE: web.AppKey[LiveState] = web.AppKey("live_state", LiveState)
OUTCOME_LOG: web.AppKey[OutcomeLog] = web.AppKey("outcome_log", OutcomeLog)
LIMITS: web.AppKey[Limits] = web.AppKey("limits", Limits)
SESSION_NAMES: web.AppKey[SessionNames] = web.AppKey("session_names", SessionNames)
METRICS: web.AppKey[RouterMetrics] = web.AppKey("metrics", RouterMetrics)
STAMPS: web.AppKey[Stamps] = web.AppKey("stamps", Stamps)

RETRY_AFTER_S = 2
_AWAY: dict[type[Exception], tuple[str, str]] = {
    ControlLogUnavailableError: ("control_log", "The change could not be stored: try again."),
    DecisionLogUnavailableError: ("decision_log", "The decision log does not answer: try again."),
    PolicyUnavailableError: ("policy", "The policy cannot be read at the moment: try again."),
}


def caller(request: web.Request, permission: Literal["read", "write"]) -> Identity:
    """Return who is asking; raises `ApiError` 403 without *permission*."""
    identity = request[IDENTITY]
    if permission not in identity.permissions:
        raise ApiError(403, "FORBIDDEN", f"The API key lacks the permission {permission!r}.")
    return identity


def order(request: web.Request, identity: Identity, *, reason: str | None = None) -> Order:
    """Return the order that *request* gives, under an id and a time of its own."""
    stamps = request.app[STAMPS]
    return Order(actor=f"key:{identity.key_id}", at_ms=stamps.clock_ms(), event_id=stamps.new_id(), reason=reason)


@web.middleware
async def translate_refusals(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer what the domain and the ports refuse in the words of the wire contract."""
    try:
        return await handler(request)
    except RefusedError as error:
        raise ApiError(400, "BAD_REQUEST", error.message, param=error.param) from error
    except AbsentError as error:
        raise ApiError(404, "not_found", "Not found.") from error
    except ConflictError as error:
        raise ApiError(409, "CONFLICT", str(error)) from error
    except BusyError as error:
        raise ApiError(409, "CONFLICT", "Somebody else is changing the policy: try again.", retry_after_s=1) from error
    except (ControlLogUnavailableError, DecisionLogUnavailableError, PolicyUnavailableError) as error:
        backend, message = _AWAY[type(error)]
        request.app[METRICS].unavailable.labels(backend=backend).inc()
        raise ApiError(503, "SERVICE_UNAVAILABLE", message, retry_after_s=RETRY_AFTER_S) from error
