"""A log line is one JSON object with a name and fields, whoever wrote it."""

import io
import json
import logging

import pytest
import structlog

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


def test_libraries_warn_in_the_same_form(out):
    logging.getLogger("aiokafka").warning("lost %s", "it")
    logging.getLogger("aiokafka").info("chatter")
    [line] = lines(out)
    assert ("lost it", "warning", "test", "aiokafka") == (line["event"], line["level"], line["service"], line["logger"])
