"""The commands behind `make run` and `make stop`, on the backends alone."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.process import free_port
from deploy.local.settings import StackSettings
from tests.support.process import wait_until

DEADLINE_S = 40
PORTS = tuple(name.upper() for name in StackSettings.__struct_fields__ if name.endswith("_port"))


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    return {**os.environ, "DATA": str(tmp_path), **{name: str(free_port()) for name in PORTS}}


@pytest.fixture
def stack(env: dict[str, str], tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    with (tmp_path / "out").open("wb") as out, subprocess.Popen(command("--backends"), env=env, stdout=out) as process:  # noqa: S603 - ours
        wait_until(
            lambda: b"Ready." in (tmp_path / "out").read_bytes(), timeout_s=DEADLINE_S, what="the stack to be ready"
        )
        yield process
        process.send_signal(signal.SIGINT)


def command(*options: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "deploy.local", *options)


def run(env: dict[str, str], *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*options), env=env, capture_output=True, text=True, timeout=DEADLINE_S, check=False)  # noqa: S603 - ours


def test_a_running_stack_tells_its_state_and_is_stopped_from_elsewhere(
    stack: subprocess.Popen[bytes], env: dict[str, str], tmp_path: Path
):
    assert 4 == run(env, "--status").stdout.count("ready")

    stopped = run(env, "--stop")

    assert (0, "stopped\n") == (stopped.returncode, stopped.stdout)
    assert 0 == stack.wait(DEADLINE_S)
    assert 4 == (tmp_path / "out").read_bytes().count(b": stopped")
    assert 1 == run(env, "--status").returncode


def test_ctrl_c_ends_it_cleanly(stack: subprocess.Popen[bytes]):
    stack.send_signal(signal.SIGINT)

    assert 0 == stack.wait(DEADLINE_S)


def test_a_second_stack_on_the_same_data_is_refused(stack: subprocess.Popen[bytes], env: dict[str, str]):
    second = run(env, "--backends")

    assert 1 == second.returncode
    assert f"already running with pid {stack.pid}" in second.stderr


def test_a_port_that_is_taken_is_named_with_its_variable(
    stack: subprocess.Popen[bytes], env: dict[str, str], tmp_path: Path
):
    moved = {name: str(free_port()) for name in PORTS if name != "BROKER_PORT"}

    second = run({**env, **moved, "DATA": str(tmp_path / "second")}, "--backends")

    assert 1 == second.returncode
    assert f"port {env['BROKER_PORT']} of broker is taken" in second.stderr
    assert "BROKER_PORT" in second.stderr


def test_stopping_nothing_is_no_error(env: dict[str, str]):
    stopped = run(env, "--stop")

    assert (0, "nothing runs here\n") == (stopped.returncode, stopped.stdout)
