"""The guard of a streamed answer: events pass as they are unless something in them has to wait or to go."""

from collections.abc import Callable
from typing import Any

import msgspec

from libs.contracts.unreadable import UNREADABLE
from libs.providers.answers import data_of
from services.gateway.domain.guard import AnswerGuard, Channel, Path, is_json, passed_through

Json = dict[str, Any]

_DONE = b"[DONE]"


class GuardedStream:
    """
    Hands on the events of one stream as the client may see them.

    A text that may become a secret waits for the next event of its choice, at the latest for the choice's end: what was held is
    in the event with the finish reason. Where the guard changes nothing, every event passes as it is.
    """

    def __init__(self, guard: AnswerGuard) -> None:
        self._guard = guard
        self._channels: dict[Path, Channel] = {}
        self._head: Json = {}

    def event(self, event: bytes) -> bytes:
        """Return what stands in place of *event*, one whole event with its blank line."""
        data = data_of(event)
        if data == _DONE:
            return self.end() + event
        try:
            chunk: Json = msgspec.json.decode(data) if data else {"choices": []}  # A comment has no data.
            changed = self._read(chunk)
        except (*UNREADABLE, TypeError, KeyError, AttributeError):
            return self._guard.plain(event)
        return _event(chunk) if changed and self._guard.changes else event

    def end(self) -> bytes:
        """Return the events with what was held, where choices have not ended by themselves."""
        choices: list[Json] = [
            {"index": index, "delta": {}} for index in dict.fromkeys(path[0] for path in self._channels)
        ]
        held = [choice | {"finish_reason": None} for choice in choices if self._flush(choice)]
        return _event(self._head | {"choices": held}) if held and self._guard.changes else b""

    def _read(self, chunk: Json) -> bool:
        choices: list[Json] = chunk["choices"]
        self._head = {name: value for name, value in chunk.items() if name not in ("choices", "usage")}
        changed = [self._read_choice(choice) for choice in choices]
        return any(changed)

    def _read_choice(self, choice: Json) -> bool:
        changed = passed_through(choice, (choice.get("index", 0),), self._feed)
        if choice.get("finish_reason") is not None:
            changed |= self._flush(choice)
        else:
            changed |= self._flush_earlier_calls(choice)
        if changed and choice.get("logprobs"):
            choice["logprobs"] = None  # They spell the text out once more.
        return changed

    def _feed(self, path: Path, text: str) -> str:
        channel = self._channels.get(path)
        if channel is None:
            channel = self._channels[path] = self._guard.channel(in_json=is_json(path))
        return channel.feed(text)

    def _flush_earlier_calls(self, choice: Json) -> bool:
        """Complete the calls before the last one: clients take them for complete when the next begins."""
        calls = (choice.get("delta") or {}).get("tool_calls")
        if not calls:
            return False
        last = calls[-1].get("index", 0)
        return self._flush(choice, lambda path: path[2:3] == ("tool_calls",) and path[3] != last)

    def _flush(self, choice: Json, where: Callable[[Path], bool] = lambda _: True) -> bool:
        """Put what is held of the texts of *choice* into it, and end them; return whether there was any."""
        index = choice.get("index", 0)
        ended = [path for path in self._channels if path[0] == index and where(path)]
        rests = [(path, self._channels.pop(path).close()) for path in ended]
        for path, rest in rests:
            if rest:
                _put(choice, path[1:], rest)
        return any(rest for _, rest in rests)


def _put(node: Json, path: tuple[Any, ...], text: str) -> None:
    """Add *text* to the one at *path*; a call or part that is not in *node* is put before those that are."""
    name, *rest = path
    if not rest:
        node[name] = (node.get(name) or "") + text
    elif isinstance(rest[0], int):
        items = node.setdefault(name, [])
        item = next((item for item in items if item.get("index") == rest[0]), None)
        if item is None:
            items.insert(0, item := {"index": rest[0]})
        _put(item, tuple(rest[1:]), text)
    else:
        _put(node.setdefault(name, {}), tuple(rest), text)


def _event(chunk: Json) -> bytes:
    return b"data: " + msgspec.json.encode(chunk) + b"\n\n"
