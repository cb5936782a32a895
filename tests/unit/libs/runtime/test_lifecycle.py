"""A command line becomes an exit code."""

import pytest

from libs.runtime import lifecycle
from libs.runtime.config import ServiceConfig


def never(_config):
    raise AssertionError("nothing is built")


def main(*argv, env):
    return lifecycle.main("test", ServiceConfig, never, argv=argv, env=env)


def test_a_valid_configuration_passes_the_check(capsys):
    assert lifecycle.EXIT_OK == main("--check-config", env={"PORT": "1"})
    assert "valid" in capsys.readouterr().out


def test_a_wrong_configuration_is_told_on_stderr(capsys):
    assert lifecycle.EXIT_CONFIG == main(env={"PORT": "x"})
    assert "test: PORT: " in capsys.readouterr().err


def test_a_file_that_the_environment_names_is_read(tmp_path, capsys):
    (tmp_path / "c.toml").write_text("prot = 1")
    assert lifecycle.EXIT_CONFIG == main("--check-config", env={"CONFIG_FILE": str(tmp_path / "c.toml")})
    assert "prot: unknown key" in capsys.readouterr().err


def test_help_lists_the_variables(capsys):
    with pytest.raises(SystemExit) as ended:
        main("--help", env={})
    assert 0 == ended.value.code
    assert "DRAIN_TIMEOUT_S" in capsys.readouterr().out
