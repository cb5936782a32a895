"""A chat request as the gateway reads it: the few fields it acts on, everything else left in the client's own bytes."""

import re
from typing import Any

import msgspec

from libs.contracts.unreadable import UNREADABLE
from libs.routing import request as routing_request
from libs.routing.request import ChatRequest, ChoiceError, ModelChoice, Reading, read
from services.gateway.domain.errors import RefusedError, bad_request

MAX_MODEL_CHARS = 1024
_FIELD_AT = re.compile(r" - at `\$\.?([^`]*)`$")
_MISSING_FIELD = re.compile(r"missing required field `([^`]+)`")


class StreamOptions(msgspec.Struct):
    """The one streaming option that the gateway acts on."""

    include_usage: bool | None = None


class ChatBody(ChatRequest):
    """The fields that the gateway acts on beside those of routing; Raw ones are views of the client's bytes."""

    stream: bool | None = None
    stream_options: StreamOptions | None = None
    metadata: dict[str, Any] | None = None
    prompt_cache_key: str | None = None

    @property
    def wants_usage_chunk(self) -> bool:
        """Say whether a streaming client asked for the closing usage chunk itself."""
        return self.stream_options is not None and bool(self.stream_options.include_usage)


_DECODER = msgspec.json.Decoder(ChatBody)


def read_body(body: bytes) -> ChatBody:
    """Decode *body*; raises `RefusedError` (400) that names the field at fault."""
    try:
        chat = _DECODER.decode(body)
    except msgspec.ValidationError as error:
        raise _invalid(str(error)) from error
    except UNREADABLE as error:
        raise bad_request(f"The body is not valid JSON: {error}") from error
    if not chat.model.strip() or len(chat.model) > MAX_MODEL_CHARS:
        raise bad_request(f"model must be a name of at most {MAX_MODEL_CHARS} characters", "model")
    if not chat.messages:
        raise bad_request("messages must hold at least one message", "messages")
    return chat


def read_shape(chat: ChatBody) -> Reading:
    """Return what routing acts on; raises `RefusedError` (400) where tools or content cannot be read."""
    try:
        return read(chat)
    except UNREADABLE as error:
        raise bad_request(f"tools or message content have an unknown shape: {error}", "messages") from error


def read_choice(model: str, fallback: tuple[str, ...] = ()) -> ModelChoice:
    """Read the `model` field, a chain extended by *fallback*; raises `RefusedError` (400)."""
    try:
        return routing_request.read_choice(model, fallback)
    except ChoiceError as error:
        raise bad_request(str(error), "model") from error


def _invalid(explanation: str) -> RefusedError:
    missing = _MISSING_FIELD.search(explanation)
    place = _FIELD_AT.search(explanation)
    path = place.group(1) if place else ""
    if missing:
        path = f"{path}.{missing.group(1)}".lstrip(".")
    problem = _FIELD_AT.sub("", explanation)
    return bad_request(f"{path}: {problem}" if path else problem, path or None)
