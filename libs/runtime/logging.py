"""Logs: one JSON object per line on stdout (readable text on a terminal), a name and fields."""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any, TextIO

import msgspec
import structlog
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web import RequestPayloadError

from libs.contracts.state import RedactionPolicy
from libs.redaction.redactor import Redactor

_LAST_DEFENCE = Redactor(RedactionPolicy(skip=("phone", "card", "iban", "national_id")), tenant="", secret="")
REPEAT_S = 10.0
MAX_REMEMBERED = 1_000


class Discreetly(logging.Filter):
    """Takes the words from what the server says of a malformed request: they quote its headers and body, keys and all."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite *record* where it is about a malformed request; none is held back."""
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, HttpProcessingError | RequestPayloadError):
            record.msg, record.args, record.exc_info = "malformed request: %s", (type(error).__name__,), None
        return True


class Sparingly(logging.Filter):
    """
    Lets each message of each library through once per `REPEAT_S`, with how many like it were held back.

    A client library that tries again many times a second says so each time: hours of an outage would fill a disk. Records
    with an exception always pass, as the same words may tell of another cause.
    """

    def __init__(self) -> None:
        super().__init__()
        self._said: dict[tuple[str, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Decide on *record*, which is known by its logger and its words without arguments."""
        if record.exc_info:
            return True
        key = record.name, str(record.msg)
        said_s, held_back = self._said.get(key, (float("-inf"), 0))
        if record.created < said_s + REPEAT_S:
            self._said[key] = said_s, held_back + 1
            return False
        if len(self._said) >= MAX_REMEMBERED:
            self._said.clear()
        self._said[key] = record.created, 0
        if held_back:
            record.msg, record.args = f"{record.getMessage()} ({held_back} more like this held back)", ()
        return True


def configure(service: str, *, level: str, stream: TextIO | None = None) -> None:
    """Send structlog's and the standard library's records of *level* and above to *stream* (stdout), marked *service*."""
    out = stream or sys.stdout
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _naming(service),
    ]
    renderer = _renderer(out)
    structlog.configure(
        processors=[*shared, structlog.processors.format_exc_info, _discreet, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(out),
        cache_logger_on_first_use=True,
    )
    _route_standard_library(shared, renderer, level, out)


def _naming(service: str) -> Any:
    def name(_logger: Any, _method: str, event: dict[str, Any]) -> dict[str, Any]:
        event["service"] = service
        return event

    return name


def _discreet(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Mask addresses and credentials, which no log should hold: a library's message or an exception may quote them."""
    for name, value in event.items():
        if isinstance(value, str):
            event[name] = _LAST_DEFENCE.text(value, name)
    return event


def _renderer(out: TextIO) -> Any:
    if out.isatty():
        return structlog.dev.ConsoleRenderer()
    return structlog.processors.JSONRenderer(serializer=_to_json)


def _to_json(value: Any, **_kwargs: Any) -> str:
    return msgspec.json.encode(value, enc_hook=str).decode()


def _route_standard_library(shared: list[Any], renderer: Any, level: str, out: TextIO) -> None:
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                _discreet,
                renderer,
            ],
        )
    )
    handler.addFilter(Discreetly())
    handler.addFilter(Sparingly())
    root = logging.getLogger()
    root.handlers = [handler]
    # Libraries narrate at INFO; their warnings are what an operator acts on.
    root.setLevel(max(logging.WARNING, getattr(logging, level.upper())))
