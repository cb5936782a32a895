"""Names on the wire: headers, error codes, paths and who owns them."""

from typing import Literal, TypeAlias

REQUEST_ID = "x-request-id"
IDENTITY = "x-agent-gateway-identity"  # Signed tenant claims from the gateway to an owner service.
FIREWALL_POLICY = "x-agent-gateway-firewall-policy"  # The `FirewallPolicy` (JSON) that a gateway wants a verdict under.
FIREWALL_VERDICT_PATH = "/v1/firewall/verdict"

SESSION_HEADERS = (
    "floopy-session-id",
    "helicone-session-id",
    "x-session-id",
    "x-litellm-session-id",
    "x-portkey-trace-id",
)

ErrorCode: TypeAlias = Literal[
    "BAD_REQUEST",
    "PROMPT_THREAT_DETECTED",
    "ANSWER_BLOCKED",
    "INVALID_API_KEY",
    "FORBIDDEN",
    "plan_required",
    "not_found",
    "METHOD_NOT_ALLOWED",
    "CONFLICT",
    "BODY_TOO_LARGE",
    "RATE_LIMIT_EXCEEDED",
    "USAGE_LIMIT_EXCEEDED",
    "MONTHLY_LIMIT_EXCEEDED",
    "INTERNAL_ERROR",
    "PROVIDER_ERROR",
    "SERVICE_UNAVAILABLE",
    "GATEWAY_TIMEOUT",
]

ERROR_TYPES: dict[int, str] = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    405: "invalid_request_error",
    409: "conflict_error",
    413: "invalid_request_error",
    429: "rate_limit_error",
    500: "server_error",
    502: "provider_error",
    503: "server_error",
    504: "timeout_error",
}

Owner: TypeAlias = Literal["feedback_ingest", "firewall", "router"]

OWNED_PREFIXES: dict[str, Owner] = {
    "/v1/feedback": "feedback_ingest",
    "/v1/ratings": "feedback_ingest",
    "/v1/evaluations": "feedback_ingest",
    "/v1/datasets": "feedback_ingest",
    "/v1/decisions": "router",
    "/v1/export/decisions": "router",
    "/v1/session": "router",
    "/v1/routing": "router",
    "/v1/experiments": "router",
    "/v1/constraints": "router",
    "/v1/optimization": "router",
    "/v1/prompts": "router",
    "/v1/firewall": "firewall",
}


def owner_of(path: str) -> Owner | None:
    """Return the service that answers *path* (decoded), None where it is the gateway's own, nobody's, or leads elsewhere."""
    if not {".", ".."}.isdisjoint(path.split("/")):
        return None
    return next(
        (owner for prefix, owner in OWNED_PREFIXES.items() if path == prefix or path.startswith(f"{prefix}/")), None
    )
