"""OpenAI's wire format as a simulated provider reads and writes it: chat completions, streams, embeddings, errors."""

import hashlib
import math
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from deploy.local.answers import Answer

EMBEDDING_DIMENSIONS = 64


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """One message; its content is a text, a list of parts, or absent."""

    role: str
    content: str | list[dict[str, Any]] | None = None

    @property
    def text(self) -> str:
        """Return all the text in it."""
        if self.content is None or isinstance(self.content, str):
            return self.content or ""
        return "".join(str(part.get("text", "")) for part in self.content)


class StreamOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What a stream contains besides the answer."""

    include_usage: bool = False


class ChatRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The fields of a chat request that a simulated model looks at."""

    model: str
    messages: list[Message]
    stream: bool = False
    stream_options: StreamOptions | None = None
    metadata: dict[str, str] | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None


class EmbeddingRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The fields of an embedding request that a simulated model looks at."""

    model: str
    input: str | list[str]


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a completion is rendered from."""

    completion_id: str
    created_s: int
    model: str
    answer: Answer
    cached_tokens: int = 0
    finish_reason: str = "stop"
    tool: str | None = None
    arguments: str = "{}"
    piece_chars: int | None = None


def cut(answer: Answer, most_tokens: int | None) -> tuple[Answer, str]:
    """Return the answer within its token limit, and the finish reason."""
    if most_tokens is None or answer.completion_tokens <= most_tokens:
        return answer, "stop"
    text = answer.text[: len(answer.text) * most_tokens // answer.completion_tokens]
    return msgspec.structs.replace(answer, text=text, completion_tokens=most_tokens), "length"


def completion(reply: Reply) -> dict[str, Any]:
    """Render a whole answer."""
    message: dict[str, Any] = {
        "role": "assistant",
        "content": None if reply.tool else reply.answer.text,
        "refusal": None,
    }
    if reply.tool:
        message["tool_calls"] = [_tool_call(reply, reply.arguments)]
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": reply.finish_reason}
    return {**_head(reply, "chat.completion"), "choices": [choice], "usage": _usage(reply)}


def chunks(reply: Reply, *, include_usage: bool) -> Iterator[dict[str, Any]]:
    """Render an answer as stream chunks: role, words or tool call, finish reason, and the usage if it is asked for."""
    yield _chunk(reply, {"role": "assistant", "content": ""})
    if reply.tool:
        first, *rest = _pieces(reply, reply.arguments)
        yield _chunk(reply, {"tool_calls": [{"index": 0, **_tool_call(reply, first)}]})
        for piece in rest:
            yield _chunk(reply, {"tool_calls": [{"index": 0, "function": {"arguments": piece}}]})
    else:
        for piece in _pieces(reply, reply.answer.text) if reply.piece_chars else _words(reply.answer.text):
            yield _chunk(reply, {"content": piece})
    yield _chunk(reply, {}, reply.finish_reason)
    if include_usage:
        yield {**_head(reply, "chat.completion.chunk"), "choices": [], "usage": _usage(reply)}


def embeddings(request: EmbeddingRequest, sizes: Sequence[int]) -> dict[str, Any]:
    """Render a unit vector for each input, made from its hash; `sizes` are the tokens of the inputs."""
    inputs = [request.input] if isinstance(request.input, str) else request.input
    data = [{"object": "embedding", "index": i, "embedding": _vector(text)} for i, text in enumerate(inputs)]
    usage = {"prompt_tokens": sum(sizes), "total_tokens": sum(sizes)}
    return {"object": "list", "data": data, "model": request.model, "usage": usage}


def error(message: str, *, kind: str, code: str | None) -> dict[str, Any]:
    """Render an error."""
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def _head(reply: Reply, kind: str) -> dict[str, Any]:
    return {
        "id": reply.completion_id,
        "object": kind,
        "created": reply.created_s,
        "model": reply.model,
        "system_fingerprint": "simulated",
    }


def _chunk(reply: Reply, delta: dict[str, Any], finish_reason: str | None = None) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
    return {**_head(reply, "chat.completion.chunk"), "choices": [choice]}


def _words(text: str) -> Iterator[str]:
    for index, word in enumerate(text.split(" ")):
        yield f" {word}" if index else word


def _pieces(reply: Reply, text: str) -> list[str]:
    size = reply.piece_chars or len(text)
    return [text[at : at + size] for at in range(0, len(text), size)]


def _tool_call(reply: Reply, arguments: str) -> dict[str, Any]:
    call_id = f"call_{reply.completion_id.removeprefix('chatcmpl-')[:24]}"
    return {"id": call_id, "type": "function", "function": {"name": reply.tool, "arguments": arguments}}


def _usage(reply: Reply) -> dict[str, Any]:
    prompt, output = reply.answer.prompt_tokens, reply.answer.completion_tokens
    return {
        "prompt_tokens": prompt,
        "completion_tokens": output,
        "total_tokens": prompt + output,
        "prompt_tokens_details": {"cached_tokens": reply.cached_tokens, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
    }


def _vector(text: str) -> list[float]:
    raw = hashlib.shake_256(text.encode()).digest(EMBEDDING_DIMENSIONS)
    centred = [byte - 127.5 for byte in raw]
    length = math.sqrt(sum(value * value for value in centred))
    return [value / length for value in centred]
