"""What routing reads in a chat request: one function for the gateway's decision and for its explanation."""

import hashlib

import msgspec

from libs.routing.candidates import Requirements
from libs.routing.tasks import RequestFeatures

BYTES_PER_TOKEN = 4
IMAGE_TOKENS = 800  # What a picture of usual size costs at the large providers.
EXPECTED_OUTPUT_TOKENS = 500

AUTO = "auto"
RULE_PREFIX = "rule:"
MAX_CHAIN = 8
INFERRED_PREFIX = "inferred-"

_USER_ROLES = frozenset({"user"})
_SYSTEM_ROLES = frozenset({"system", "developer"})
_TOOL_ROLES = frozenset({"tool", "function"})
_IMAGE_TYPES = frozenset({"image_url", "input_image"})
_NOTHING = msgspec.Raw(b"null")


class Message(msgspec.Struct):
    """One message: its role, and what it says and calls as the client's bytes."""

    role: str
    content: msgspec.Raw = _NOTHING
    tool_calls: msgspec.Raw = _NOTHING


class ResponseFormat(msgspec.Struct):
    """The shape asked of the answer: `text`, `json_object` or `json_schema`."""

    type: str = "text"


class ChatRequest(msgspec.Struct):
    """The fields of a chat request that routing acts on; a service that needs more of them inherits from it."""

    model: str
    messages: list[Message]
    tools: msgspec.Raw = _NOTHING
    functions: msgspec.Raw = _NOTHING
    response_format: ResponseFormat | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """
    A chat request as routing sees it.

    *in_tool_loop*: it answers the tool calls of a model, which has to go on. *expected_output_tokens* is the client's limit
    where it is lower than what is usual.
    """

    features: RequestFeatures
    requirements: Requirements
    in_tool_loop: bool
    expected_output_tokens: int


class ChoiceError(ValueError):
    """The `model` field names nothing that can be routed; the message says why."""


class ModelChoice(msgspec.Struct, frozen=True, kw_only=True):
    """What the `model` field asks for: *models* in order of preference, none for `auto`, or a rule by name."""

    models: tuple[str, ...] = ()
    rule_name: str | None = None


class _Part(msgspec.Struct):
    type: str = ""
    text: str | None = None


class _Function(msgspec.Struct):
    name: str = ""


class _Tool(msgspec.Struct):
    function: _Function | None = None
    name: str = ""


_CONTENT = msgspec.json.Decoder(str | list[_Part] | None)
_TOOLS = msgspec.json.Decoder(list[_Tool] | None)


def read(chat: ChatRequest) -> Reading:
    """Return what routing acts on in *chat*; raises `msgspec.DecodeError` where tools or content have another shape."""
    tools = tuple(tool.function.name if tool.function else tool.name for tool in _tools(chat))
    images, size_bytes = _measured(chat.messages)
    size_bytes += _size(chat.tools) + _size(chat.functions)
    context_tokens = size_bytes // BYTES_PER_TOKEN + images * IMAGE_TOKENS
    shape = chat.response_format.type if chat.response_format is not None else "text"
    return Reading(
        features=RequestFeatures(
            text=_text_of(_last(chat.messages, _USER_ROLES)),
            system=_text_of(_last(chat.messages, _SYSTEM_ROLES)),
            tools=tools,
            structured=shape != "text",
            images=images > 0,
            context_tokens=context_tokens,
        ),
        requirements=Requirements(
            context_tokens=context_tokens, tools=bool(tools), vision=images > 0, json_schema=shape == "json_schema"
        ),
        in_tool_loop=bool(chat.messages) and chat.messages[-1].role in _TOOL_ROLES,
        expected_output_tokens=_expected_output_tokens(chat),
    )


def read_choice(model: str, fallback: tuple[str, ...] = ()) -> ModelChoice:
    """Read the `model` field: an id, a chain `a,b,c`, `auto` or `rule:<name>`; *fallback* extends an id or a chain."""
    if model == AUTO:
        return ModelChoice()
    if model.startswith(RULE_PREFIX):
        return ModelChoice(rule_name=model.removeprefix(RULE_PREFIX).strip())
    chain = tuple(dict.fromkeys(filter(None, (name.strip() for name in (*model.split(","), *fallback)))))
    if len(chain) > MAX_CHAIN:
        raise ChoiceError(f"model may name at most {MAX_CHAIN} models")
    if not chain or AUTO in chain or any(name.startswith(RULE_PREFIX) for name in chain):
        raise ChoiceError("a chain of models must consist of model ids")
    return ModelChoice(models=chain)


def inferred_session_id(messages: list[Message], key_id: str) -> str:
    """Return the id shared by all requests of a key whose system messages and first user message are the same bytes."""
    digest = hashlib.sha256(key_id.encode())
    for message in messages:
        if message.role in _USER_ROLES or message.role in _SYSTEM_ROLES:
            content = bytes(message.content)
            digest.update(b"%b:%d:" % (message.role.encode(), len(content)))
            digest.update(content)
        if message.role in _USER_ROLES:
            break
    return INFERRED_PREFIX + digest.hexdigest()[:32]


def _tools(chat: ChatRequest) -> list[_Tool]:
    return [tool for raw in (chat.tools, chat.functions) for tool in _TOOLS.decode(raw) or ()]


def _measured(messages: list[Message]) -> tuple[int, int]:
    """Return the number of images and the bytes of everything else, which a picture inline would dwarf."""
    images = size_bytes = 0
    for message in messages:
        size_bytes += _size(message.tool_calls)
        if bytes(memoryview(message.content)[:1]) != b"[":
            size_bytes += _size(message.content)
            continue
        for part in _CONTENT.decode(message.content) or ():
            if isinstance(part, _Part):
                images += part.type in _IMAGE_TYPES
                size_bytes += len(part.text or "")
    return images, size_bytes


def _last(messages: list[Message], roles: frozenset[str]) -> Message | None:
    return next((message for message in reversed(messages) if message.role in roles), None)


def _text_of(message: Message | None) -> str:
    content = None if message is None else _CONTENT.decode(message.content)
    if isinstance(content, list):
        return "\n".join(part.text for part in content if part.text)
    return content or ""


def _size(raw: msgspec.Raw) -> int:
    return 0 if raw == _NOTHING else memoryview(raw).nbytes


def _expected_output_tokens(chat: ChatRequest) -> int:
    limits = (chat.max_completion_tokens, chat.max_tokens)
    given = next((limit for limit in limits if limit is not None), EXPECTED_OUTPUT_TOKENS)
    return max(1, min(given, EXPECTED_OUTPUT_TOKENS))
