"""The one error object that clients see, and the exception that becomes it."""

import msgspec

from libs.contracts.http import ERROR_TYPES, ErrorCode


class ErrorDetail(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What went wrong, readable by both SDKs; `feature` names what the plan lacks."""

    message: str
    type: str
    param: str | None
    code: str
    feature: str | None = None


class ErrorBody(msgspec.Struct, frozen=True, kw_only=True):
    """The body of every answer that is an error."""

    error: ErrorDetail


class ApiError(Exception):
    """An answer that is an error: HTTP *status*, *code* and *message* of the wire contract, *param* the field at fault."""

    def __init__(
        self,
        status: int,
        code: ErrorCode,
        message: str,
        *,
        param: str | None = None,
        retry_after_s: int | None = None,
        feature: str | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.param = param
        self.retry_after_s = retry_after_s
        self.feature = feature

    def body(self) -> bytes:
        """Return the JSON to send."""
        kind = ERROR_TYPES.get(self.status, "server_error")
        detail = ErrorDetail(message=self.message, type=kind, param=self.param, code=self.code, feature=self.feature)
        return msgspec.json.encode(ErrorBody(error=detail))

    def headers(self) -> dict[str, str]:
        """Return the headers that belong to this error: `Retry-After` in whole seconds, where known."""
        return {} if self.retry_after_s is None else {"Retry-After": str(self.retry_after_s)}
