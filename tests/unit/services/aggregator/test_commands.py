"""The commands explain themselves and fail with a message, not a traceback."""

import pytest

from services.aggregator import __main__ as entry
from services.aggregator import commands


@pytest.mark.parametrize("command", ["migrate", "rebuild", "verify"])
def test_every_command_has_help(command, capsys):
    with pytest.raises(SystemExit) as end:
        commands.main([command, "--help"])
    assert 0 == end.value.code
    assert commands.COMMANDS[command] in " ".join(capsys.readouterr().out.split())


def test_the_service_lists_its_commands_and_variables(capsys):
    with pytest.raises(SystemExit):
        entry.main(["--help"])
    shown = capsys.readouterr().out
    assert all(word in shown for word in ("rebuild", "verify", "migrate", "CLICKHOUSE_URL", "REDIS_URL", "ROLES"))


def test_a_wrong_variable_is_named(capsys):
    assert 2 == commands.main(["migrate"], env={"SESSION_DAYS": "soon"})
    assert "SESSION_DAYS" in capsys.readouterr().err
