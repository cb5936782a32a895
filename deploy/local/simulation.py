"""How a test makes a simulated provider misbehave, request by request."""

from collections.abc import Mapping

import msgspec

PREFIX = "x-sim-"


class Script(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    What to do with one request.

    Each field is a header of that name, `x-sim-delay-ms`, or a key of the body's `metadata`, for callers whose headers do
    not get through. Headers win. `models` limits the script to some models, so that others can be fallen back to.

    status: answer with this HTTP error. retry_after_s: with this Retry-After. delay_ms: wait before the first byte.
    chunk_delay_ms: wait between chunks. die_after_chunks: break the connection after so many chunks of a stream; a whole answer is
    broken off before its first byte. malformed: answer 200 with broken JSON. text: answer exactly this. tool: call this tool,
    with these arguments. piece_chars: stream in pieces of so many characters instead of words. item: answer with the recorded outcome of this item.
    """

    status: int = 200
    retry_after_s: int | None = None
    delay_ms: float = 0
    chunk_delay_ms: float = 0
    die_after_chunks: int | None = None
    malformed: bool = False
    text: str | None = None
    tool: str | None = None
    arguments: str = "{}"
    piece_chars: int | None = None
    item: str | None = None
    models: str = ""

    def concerns(self, model: str) -> bool:
        """Tell whether the script holds for this model."""
        return not self.models or model in self.models.split(",")


class ScriptError(Exception):
    """A control header is misspelt or has an unusable value; the message names it."""


def read_script(headers: Mapping[str, str], metadata: Mapping[str, str]) -> Script:
    """Read the script from a request; `metadata["item"]` is accepted as short for `x-sim-item`."""
    given = _named(metadata) | _named(headers)
    if "item" in metadata:
        given.setdefault("item", metadata["item"])
    try:
        return msgspec.convert(given, Script, strict=False)
    except msgspec.ValidationError as error:
        raise ScriptError(f"{PREFIX}* header: {error}") from error


def _named(values: Mapping[str, str]) -> dict[str, str]:
    lowered = ((name.lower(), value) for name, value in values.items())
    return {name.removeprefix(PREFIX).replace("-", "_"): value for name, value in lowered if name.startswith(PREFIX)}
