"""Why a request about the routing policy or its audit is not carried out."""


class RefusedError(Exception):
    """The request cannot be carried out as it is; *param* names the field at fault, the message the fix."""

    def __init__(self, message: str, *, param: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param


class AbsentError(Exception):
    """The tenant has no such entity; nobody learns whether another tenant has."""


class ConflictError(Exception):
    """The entity is not in the state that the caller believes; the message says what to do."""
