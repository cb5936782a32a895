"""The operator sees every process and how to use the platform."""

import io

import pytest
from rich.console import Console

from deploy.local.screen import PlainScreen, instructions, process_table
from deploy.local.settings import StackSettings
from deploy.local.supervisor import ProcessStatus, State

READY = ProcessStatus(name="gateway", port=8080, state=State.READY, pid=999_999_999, restarts=2)
SETTINGS = StackSettings(gateway_port=9999)


@pytest.fixture
def console() -> Console:
    return Console(width=100, file=io.StringIO())


def printed(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_row_tells_state_pid_port_and_restarts(console: Console):
    console.print(process_table([READY]))
    row = next(line for line in printed(console).splitlines() if "999999999" in line)

    assert all(word in row for word in ("gateway", "ready", "8080", "2"))


def test_the_instructions_name_the_address_and_the_key():
    text = instructions(SETTINGS)

    assert "http://127.0.0.1:9999/v1" in text
    assert "sk-local" in text
    assert "make demo" in text


def test_without_a_terminal_each_change_is_a_line(console: Console):
    screen = PlainScreen(console)

    screen.changed(ProcessStatus(name="gateway", port=8080))
    screen.changed(READY)
    screen.ready(SETTINGS)

    assert "gateway: waiting port 8080\ngateway: ready pid 999999999 port 8080 restart 2\n" + instructions(
        SETTINGS
    ) + "\n" == printed(console)
