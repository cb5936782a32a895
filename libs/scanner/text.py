"""Extraction: every text of an OpenAI-style request body that a model may read, as role-tagged segments."""

from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal, TypeVar, get_args

import msgspec

Role = Literal["system", "user", "assistant", "tool", "definition"]

ROLES: Final[tuple[Role, ...]] = get_args(Role)

UNREAD_KEYS: Final = frozenset(
    {"role", "type", "id", "tool_call_id", "call_id", "file_id", "detail", "image_url", "url", "data", "file_data"}
)
"""Keys whose string is an identifier, a switch or media, as long as it is a single word: prose is read wherever it stands."""

_SYSTEM_ONLY: Final[frozenset[Role]] = frozenset({"system"})
_ALIASES: Final[Mapping[str, Role]] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
    "function": "tool",
}
_ITEM_ROLES: Final[Mapping[str, Role]] = {"function_call": "assistant", "reasoning": "assistant"}


class Segment(msgspec.Struct, frozen=True, kw_only=True):
    """One text and who said it: a message with all its parts, or one tool definition."""

    role: Role
    text: str


class _Body(msgspec.Struct):
    """The fields that carry text; an absent or oddly typed one is tolerated, the provider is the judge of shape."""

    messages: Any = None
    input: Any = None
    prompt: Any = None
    instructions: Any = None
    inputs: Any = None
    suffix: Any = None
    prediction: Any = None
    tools: Any = None
    functions: Any = None
    response_format: Any = None
    text: Any = None


class _Answer(msgspec.Struct):
    choices: Any = None
    output: Any = None


_BODY_DECODER: Final = msgspec.json.Decoder(_Body)
_ANSWER_DECODER: Final = msgspec.json.Decoder(_Answer)
_T = TypeVar("_T")


def extract(body: bytes, *, skip: frozenset[Role] = frozenset()) -> tuple[Segment, ...]:
    """
    Return the texts of a request body, in the order a model reads them, without the roles in `skip`.

    A message without a known role counts as the user's. Raises `msgspec.DecodeError` when the body is not a JSON object.
    """
    return tuple(
        segment for segment in _segments(_decode(body, _BODY_DECODER)) if segment.role not in skip and segment.text
    )


def unscanned_roles(*, scan_system: bool) -> frozenset[Role]:
    """Return the roles that a policy leaves out: the system prompt is its owner's unless they want it scanned too."""
    return frozenset() if scan_system else _SYSTEM_ONLY


def extract_answer(body: bytes) -> tuple[Segment, ...]:
    """Return the texts of a model's answer, one segment per choice. Raises `msgspec.DecodeError` when it is not a JSON object."""
    answer = _decode(body, _ANSWER_DECODER)
    choices = answer.choices if isinstance(answer.choices, list) else [answer.choices]
    texts = (joined(part) for part in (*choices, answer.output))
    return tuple(Segment(role="assistant", text=text) for text in texts if text)


def joined(value: object) -> str:
    """Return every readable string below a decoded JSON value, one per line."""
    return "\n".join(_strings(value))


def _decode(body: bytes, decoder: "msgspec.json.Decoder[_T]") -> _T:
    try:
        return decoder.decode(body)
    except RecursionError as error:
        raise msgspec.DecodeError("nested too deeply") from error


def _segments(body: _Body) -> Iterator[Segment]:
    yield Segment(role="system", text=joined(body.instructions))
    yield from _definitions(body)
    for turns in (body.messages, body.input, body.prompt):
        yield from _turns(turns)
    for value in (body.inputs, body.suffix, body.prediction):
        yield Segment(role="user", text=joined(value))


def _definitions(body: _Body) -> Iterator[Segment]:
    for value in (body.tools, body.functions, body.response_format, body.text):
        for definition in value if isinstance(value, list) else (value,):
            yield Segment(role="definition", text=joined(definition))


def _turns(value: object) -> Iterator[Segment]:
    for turn in value if isinstance(value, list) else (value,):
        yield Segment(role=_role(turn), text=joined(turn))


def _role(turn: object) -> Role:
    if not isinstance(turn, dict):
        return "user"
    kind = str(turn.get("type", ""))
    if kind.endswith("_output"):
        return "tool"
    return _ALIASES.get(str(turn.get("role")), _ITEM_ROLES.get(kind, "user"))


def _strings(value: object) -> Iterator[str]:
    """Walk without recursion, so that depth costs memory only."""
    pending = [value]
    while pending:
        node = pending.pop()
        if isinstance(node, str):
            yield node
        elif isinstance(node, list):
            pending.extend(reversed(node))
        elif isinstance(node, dict):
            pending.extend(reversed(tuple(_readable(node))))


def _readable(node: Mapping[str, object]) -> Iterator[object]:
    """Yield the values, and the keys with a space in them: those are prose too."""
    for key, child in node.items():
        if " " in key:
            yield key
        if not (key in UNREAD_KEYS and isinstance(child, str) and " " not in child):
            yield child
