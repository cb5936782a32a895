"""One answer in its two forms: from a stream of chunks to a completion, and from a completion to a stream."""

from collections.abc import Iterator
from typing import Any

import msgspec

from libs.contracts.unreadable import UNREADABLE

DONE = b"data: [DONE]\n\n"
_DATA = b"data:"

Json = dict[str, Any]


def assembled(stream: bytes) -> bytes | None:
    """
    Return the `chat.completion` body that *stream* (server-sent events as the provider sent them) amounts to.

    None where an event is no chunk. Text of a field that arrives in pieces is joined, the last value of any other wins.
    """
    completion: Json = {}
    choices: dict[int, Json] = {}
    for data in _events(stream):
        try:
            chunk = msgspec.json.decode(data, type=_Chunk)
            _take_head(completion, msgspec.json.decode(data))
            for piece in chunk.choices:
                _take_choice(choices.setdefault(piece.index, _empty_choice(piece.index)), piece)
        except UNREADABLE:
            return None
    if not choices:
        return None
    completion["object"] = "chat.completion"
    completion["choices"] = [_finished(choices[index]) for index in sorted(choices)]
    return msgspec.json.encode(completion)


def as_stream(completion: bytes, *, with_usage: bool) -> bytes:
    """Return *completion* as a whole stream that ends with `[DONE]`; *with_usage* adds the closing usage chunk."""
    body: Json = msgspec.json.decode(completion)
    usage = body.pop("usage", None)
    choices = body.pop("choices", [])
    head = body | {"object": "chat.completion.chunk"}
    chunks = [head | {"choices": [piece]} for choice in choices for piece in _pieces(choice)]
    if with_usage:
        chunks.append(head | {"choices": [], "usage": usage})
    return b"".join(b"data: " + msgspec.json.encode(chunk) + b"\n\n" for chunk in chunks) + DONE


class _Piece(msgspec.Struct):
    index: int = 0
    delta: Json = {}
    finish_reason: str | None = None
    logprobs: Json | None = None


class _Chunk(msgspec.Struct):
    choices: list[_Piece]


def _events(stream: bytes) -> Iterator[bytes]:
    for line in stream.split(b"\n"):
        if line.startswith(_DATA):
            data = line[len(_DATA) :].strip()
            if data and data != b"[DONE]":
                yield data


def _take_head(completion: Json, chunk: Json) -> None:
    completion.update({name: value for name, value in chunk.items() if name != "choices" and value is not None})


def _empty_choice(index: int) -> Json:
    return {"index": index, "message": {"role": "assistant", "content": None}, "logprobs": None, "finish_reason": None}


def _take_choice(choice: Json, piece: _Piece) -> None:
    message = choice["message"]
    for name, value in piece.delta.items():
        if name == "tool_calls":
            _take_tool_calls(message.setdefault("tool_calls", {}), msgspec.convert(value or [], list[Json]))
        else:
            _join(message, name, value)
    if piece.logprobs:
        choice["logprobs"] = choice["logprobs"] or {}
        for name, value in piece.logprobs.items():
            _join(choice["logprobs"], name, value)
    choice["finish_reason"] = piece.finish_reason or choice["finish_reason"]


def _take_tool_calls(calls: dict[int, Json], pieces: list[Json]) -> None:
    for piece in pieces:
        call = calls.setdefault(msgspec.convert(piece.get("index", 0), int), {})
        for name, value in piece.items():
            if name == "function":
                function = call.setdefault("function", {"name": "", "arguments": ""})
                for field, text in msgspec.convert(value or {}, Json).items():
                    _join(function, field, text)
            elif name != "index" and value is not None:
                call[name] = value


def _join(target: Json, name: str, value: Any) -> None:
    known = target.get(name)
    grows = isinstance(value, str | list) and type(known) is type(value) and name != "role"
    if value is not None or name not in target:
        target[name] = known + value if grows else value


def _finished(choice: Json) -> Json:
    calls = choice["message"].pop("tool_calls", None)
    if calls:
        choice["message"]["tool_calls"] = [calls[index] for index in sorted(calls)]
    return choice


def _pieces(choice: Json) -> Iterator[Json]:
    delta = dict(choice.get("message") or {})
    if delta.get("tool_calls"):
        delta["tool_calls"] = [{"index": index} | call for index, call in enumerate(delta["tool_calls"])]
    index = choice.get("index", 0)
    yield {"index": index, "delta": delta, "logprobs": choice.get("logprobs"), "finish_reason": None}
    yield {"index": index, "delta": {}, "logprobs": None, "finish_reason": choice.get("finish_reason")}
