"""The body of `POST /v1/firewall/scan`: one request or a batch, as texts to scan."""

from typing import Any, Final

import msgspec

from libs.scanner.text import Role, Segment, extract

MAX_BATCH: Final = 64

_TEXT_FIELDS: Final = "input, messages or prompt"


class InvalidScanError(Exception):
    """The body asks for nothing that can be scanned; `param` names the field at fault."""

    def __init__(self, message: str, param: str) -> None:
        super().__init__(message)
        self.param = param


class ScanRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What to scan: each item gets a result of its own. `explain` asks for the evidence."""

    items: tuple[tuple[Segment, ...], ...]
    explain: bool


class _Body(msgspec.Struct, frozen=True, kw_only=True):
    """`inputs` is a batch only where it is a list: as an object it is the prompt variables of a chat request."""

    input: Any = None
    inputs: Any = None
    messages: Any = None
    prompt: Any = None
    role: Role = "user"
    explain: bool = False


_DECODER: Final = msgspec.json.Decoder(_Body)


def parse(body: bytes) -> ScanRequest:
    """
    Return what *body* asks for: `{"input": text}`, a chat request with `messages`, or `{"inputs": [either, …]}`.

    `role` says who spoke a bare text (`tool` for a tool's result). Raises `InvalidScanError`, and `msgspec.DecodeError` where
    the body is not a JSON object or a field has the wrong type.
    """
    asked = _DECODER.decode(body)
    if isinstance(asked.inputs, list):
        return ScanRequest(items=_batch(asked.inputs, asked.role), explain=asked.explain)
    if asked.input is None and asked.messages is None and asked.prompt is None:
        raise InvalidScanError(f"Give {_TEXT_FIELDS} to scan, or inputs for a batch.", "input")
    return ScanRequest(items=(_item(asked, body),), explain=asked.explain)


def _item(asked: _Body, body: bytes) -> tuple[Segment, ...]:
    if isinstance(asked.input, str) and asked.messages is None:
        return (Segment(role=asked.role, text=asked.input),)
    return extract(body)


def _batch(inputs: list[Any], role: Role) -> tuple[tuple[Segment, ...], ...]:
    if not 1 <= len(inputs) <= MAX_BATCH:
        raise InvalidScanError(f"A batch has 1 to {MAX_BATCH} inputs.", "inputs")
    return tuple(_batch_item(item, role, f"inputs.{at}") for at, item in enumerate(inputs))


def _batch_item(item: object, role: Role, param: str) -> tuple[Segment, ...]:
    if isinstance(item, str):
        return (Segment(role=role, text=item),)
    if not isinstance(item, dict) or not item.keys() & {"input", "messages", "prompt"}:
        raise InvalidScanError(f"Expected a text, or an object with {_TEXT_FIELDS}.", param)
    return extract(msgspec.json.encode(item))
