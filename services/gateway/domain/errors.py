"""The refusals a client can meet, and the one error object that tells of them."""

from typing import Any

import msgspec

from libs.contracts.http import ERROR_TYPES, ErrorCode
from libs.contracts.unreadable import UNREADABLE


class RefusedError(Exception):
    """
    The request ends here with *status* and the wire contract's error object.

    *param* names the field at fault, *retry_after_s* becomes an integer `Retry-After`. *provider_error* is the error object
    of a provider that found fault with the request itself; it is passed on in place of ours.
    """

    def __init__(
        self,
        status: int,
        code: ErrorCode,
        message: str,
        *,
        param: str | None = None,
        retry_after_s: int | None = None,
        provider_error: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code: ErrorCode = code
        self.message = message
        self.param = param
        self.retry_after_s = retry_after_s
        self.provider_error = provider_error

    def body(self) -> bytes:
        """Return the error object as JSON."""
        own = {
            "message": self.message,
            "type": ERROR_TYPES.get(self.status, "server_error"),
            "param": self.param,
            "code": self.code,
        }
        return msgspec.json.encode({"error": own | (self.provider_error or {})})


def bad_request(message: str, param: str | None = None) -> RefusedError:
    """Return the refusal of a malformed request; *param* is the field that is wrong."""
    return RefusedError(400, "BAD_REQUEST", message, param=param)


def provider_fault(status: int, body: bytes) -> RefusedError:
    """Return the refusal for a provider's 4xx that the client's own request caused, with the provider's explanation."""
    explained = _error_object(body)
    message = explained.get("message") or f"The provider refused the request with status {status}."
    return RefusedError(status, "BAD_REQUEST", message, provider_error=explained)


def _error_object(body: bytes) -> dict[str, Any]:
    try:
        error = msgspec.json.decode(body, type=_ProviderError).error
    except UNREADABLE:
        return {}
    return {name: value for name, value in msgspec.to_builtins(error).items() if value is not None}


class _Explanation(msgspec.Struct):
    message: str | None = None
    type: str | None = None
    param: str | None = None
    code: str | int | None = None


class _ProviderError(msgspec.Struct):
    error: _Explanation
