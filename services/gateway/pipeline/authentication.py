"""From an `Authorization` header to a caller."""

from libs.contracts.state import secret_sha256
from services.gateway.domain.caller import Caller
from services.gateway.domain.errors import RefusedError
from services.gateway.ports import Directory, DirectoryUnavailableError

MAX_SECRET_CHARS = 512


async def authenticate(directory: Directory, authorization: str | None) -> Caller:
    """Return who holds the bearer key; raises `RefusedError`: 401 for an unknown one, 503 while nobody can tell."""
    scheme, _, secret = (authorization or "").strip().partition(" ")
    secret = secret.strip()
    if scheme.lower() != "bearer" or not 0 < len(secret) <= MAX_SECRET_CHARS or not secret.isprintable():
        raise RefusedError(401, "INVALID_API_KEY", "Send `Authorization: Bearer <key>`.")
    try:
        caller = await directory.find(secret_sha256(secret))
    except DirectoryUnavailableError as error:
        message = "The key cannot be checked at the moment."
        raise RefusedError(503, "SERVICE_UNAVAILABLE", message, retry_after_s=1) from error
    if caller is None:
        raise RefusedError(401, "INVALID_API_KEY", "The API key is unknown or revoked.")
    return caller
