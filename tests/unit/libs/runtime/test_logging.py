"""A log line is one JSON object with a name and fields, whoever wrote it."""

import io
import json
import logging

import pytest
import structlog
from aiohttp.http_exceptions import BadHttpMessage
from aiohttp.web import RequestPayloadError

from libs.runtime.logging import configure


@pytest.fixture
def out():
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    out = io.StringIO()
    configure("test", level="info", stream=out)
    yield out
    structlog.reset_defaults()
    root.handlers, root.level = handlers, level


def lines(out):
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_a_record_is_a_name_and_fields(out):
    structlog.get_logger("x").info("thing.done", count=3, path=io)
    [line] = lines(out)
    assert ("thing.done", "info", "test", 3) == (line["event"], line["level"], line["service"], line["count"])
    assert "timestamp" in line


def test_what_is_below_the_level_is_silent(out):
    structlog.get_logger("x").debug("thing.considered")
    assert [] == lines(out)


def test_an_exception_is_one_line(out):
    try:
        int("no")
    except ValueError:
        structlog.get_logger("x").exception("thing.failed")
    [line] = lines(out)
    assert "ValueError: invalid literal" in line["exception"]


def test_addresses_and_credentials_are_masked_wherever_they_come_from(out):
    key = "sk-proj-Qm3kT8vZ1xRw5bNc7Lp2Jd9HsYg4Fa6E"
    try:
        int(f"jane@example.com, {key}")
    except ValueError:
        structlog.get_logger("x").exception("thing.failed", who="jane@example.com", offset=4111111111111111)
    logging.getLogger("aiokafka").warning("refused %s", f"redis://app:{key}@cache:6379")
    assert "jane@example.com" not in out.getvalue()
    assert key not in out.getvalue()
    first, second = lines(out)
    assert ("[email]", 4111111111111111) == (first["who"], first["offset"])
    assert first["exception"].endswith("'[email], [secret]'")
    assert "refused redis://app:[secret]@cache:6379" == second["event"]


def test_libraries_warn_in_the_same_form(out):
    logging.getLogger("aiokafka").warning("lost %s", "it")
    logging.getLogger("aiokafka").info("chatter")
    [line] = lines(out)
    assert ("lost it", "warning", "test", "aiokafka") == (line["event"], line["level"], line["service"], line["logger"])


def test_libraries_repeat_themselves_once_in_ten_seconds(out):
    def warn(node: int, at_s: float, **more: object) -> None:
        record = {"name": "aiokafka", "levelno": logging.WARNING, "levelname": "WARNING", "created": at_s}
        logging.getLogger("aiokafka").handle(logging.makeLogRecord(record | {"msg": "lost %s", "args": (node,)} | more))

    for at_s in (0.0, 0.1, 9.9, 10.0, 30.0):
        warn(1, at_s)
    assert ["lost 1", "lost 1 (2 more like this held back)", "lost 1"] == [line["event"] for line in lines(out)]
    error = ValueError("another cause")
    for at_s in (30.1, 30.2):
        warn(1, at_s, exc_info=(ValueError, error, None))
    assert 5 == len(lines(out))


@pytest.mark.parametrize("error", [BadHttpMessage("Authorization: Bearer sk-secret"), RequestPayloadError("a secret")])
def test_a_malformed_request_is_named_and_not_quoted(out, error):
    logging.getLogger("aiohttp.server").error("Error handling request from %s", "::1", exc_info=error)
    [line] = lines(out)
    assert f"malformed request: {type(error).__name__}" == line["event"]
    assert "secret" not in out.getvalue()
