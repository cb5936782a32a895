"""Processes start in order, come back after a crash, end in reverse order, and never outlive their supervisor."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from deploy.local.process import ProcessSpec, TcpProbe, free_port
from deploy.local.supervisor import Backoff, ProcessStatus, StackFailedError, State, Supervisor
from tests.support.process import wait_until

LISTEN = "import socket, sys, time\ns = socket.create_server(('127.0.0.1', int(sys.argv[1])))\n"
OBEDIENT = LISTEN + "time.sleep(600)"
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + OBEDIENT
DEADLINE_S = 20
FAST = Backoff(first_s=0.01, most_s=0.02)


class Watcher:
    """Remembers every change, and waits for one."""

    def __init__(self) -> None:
        self.history: list[tuple[str, State]] = []
        self.ready = asyncio.Event()

    def changed(self, status: ProcessStatus) -> None:
        self.history.append((status.name, status.state))


def process(name: str, script: str = OBEDIENT, **options: object) -> ProcessSpec:
    port = free_port()
    argv = (sys.executable, "-c", script, str(port))
    return ProcessSpec(**{"name": name, "argv": argv, "ready": TcpProbe(port=port), "ready_timeout_s": 10.0, **options})


@asynccontextmanager
async def running(tmp_path: Path, *specs: ProcessSpec) -> AsyncIterator[tuple[Supervisor, Watcher]]:
    watcher, stop = Watcher(), asyncio.Event()
    supervisor = Supervisor(specs, logs=tmp_path, changed=watcher.changed, backoff=FAST)
    task = asyncio.create_task(supervisor.run(stop, ready=watcher.ready.set))
    try:
        await asyncio.wait_for(watcher.ready.wait(), DEADLINE_S)
        yield supervisor, watcher
    finally:
        stop.set()
        await asyncio.wait_for(task, DEADLINE_S)


async def until(condition: Callable[[], bool]) -> None:
    await asyncio.to_thread(wait_until, condition, timeout_s=DEADLINE_S, what="the condition")


def exists(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")")[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def test_a_process_starts_when_what_it_needs_is_ready_and_ends_before_it(tmp_path: Path):
    async with running(tmp_path, process("app", depends_on=("db",)), process("db")) as (_, watcher):
        pass

    order = [("db", State.READY), ("app", State.STARTING), ("app", State.STOPPED), ("db", State.STOPPING)]
    assert order == [change for change in watcher.history if change in order]


async def test_a_process_that_crashes_comes_back_and_is_counted(tmp_path: Path):
    async with running(tmp_path, process("app")) as (supervisor, _):
        first = supervisor.statuses[0].pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        await until(lambda: supervisor.statuses[0].restarts == 1 and supervisor.statuses[0].state is State.READY)

        assert first != supervisor.statuses[0].pid


async def test_what_rests_on_a_forgetful_process_starts_anew_with_it(tmp_path: Path):
    """Neither is it counted as a crash, nor does it start before the other is back."""
    specs = process("app", depends_on=("log",), max_restarts=0), process("log", forgetful=True)
    async with running(tmp_path, *specs) as (supervisor, watcher):
        log, app = supervisor.statuses
        assert log.pid is not None
        os.kill(log.pid, signal.SIGKILL)
        await until(lambda: [1, 1] == [status.restarts for status in supervisor.statuses])
        await until(lambda: all(status.state is State.READY for status in supervisor.statuses))

        assert app.pid != supervisor.statuses[1].pid
        assert [("log", State.READY), ("app", State.STARTING), ("app", State.READY)] == watcher.history[-3:]


async def test_a_process_that_crashes_too_often_ends_the_stack_with_its_last_words(tmp_path: Path):
    other = process("other")
    broken = process("broken", "print('out of luck'); raise SystemExit(3)", max_restarts=2, depends_on=("other",))
    supervisor = Supervisor([other, broken], logs=tmp_path, changed=Watcher().changed, backoff=FAST)

    with pytest.raises(StackFailedError, match=r"(?s)broken exited 3 times.*out of luck"):
        await supervisor.run(asyncio.Event(), ready=lambda: None)

    assert [State.STOPPED, State.FAILED] == [status.state for status in supervisor.statuses]


async def test_a_process_with_a_wrong_configuration_is_not_tried_again(tmp_path: Path):
    broken = process("broken", "raise SystemExit(2)")
    supervisor = Supervisor([broken], logs=tmp_path, changed=Watcher().changed, backoff=FAST)

    with pytest.raises(StackFailedError, match="configuration"):
        await supervisor.run(asyncio.Event(), ready=lambda: None)

    assert 0 == supervisor.statuses[0].restarts


async def test_a_process_that_never_gets_ready_ends_the_stack(tmp_path: Path):
    deaf = process("deaf", "import time; time.sleep(600)", ready_timeout_s=0.3)
    supervisor = Supervisor([deaf], logs=tmp_path, changed=Watcher().changed)

    with pytest.raises(StackFailedError, match="deaf was not ready within"):
        await supervisor.run(asyncio.Event(), ready=lambda: None)


async def test_a_process_that_does_not_listen_is_killed_when_its_time_is_up(tmp_path: Path):
    async with running(tmp_path, process("stubborn", STUBBORN, stop_timeout_s=0.2)) as (supervisor, _):
        pid = supervisor.statuses[0].pid

    assert pid is not None
    assert not exists(pid)


async def test_output_goes_to_a_log_of_its_own_and_the_last_one_is_kept(tmp_path: Path):
    (tmp_path / "app.log").write_text("before\n")
    async with running(tmp_path, process("app", "print('hello', flush=True)\n" + OBEDIENT)):
        pass

    assert ("hello\n", "before\n") == ((tmp_path / "app.log").read_text(), (tmp_path / "app.log.old").read_text())


SUPERVISE = """
import asyncio, sys
from pathlib import Path
from deploy.local.process import ProcessSpec, TcpProbe
from deploy.local.supervisor import Supervisor

def changed(status):
    if status.state == "ready":
        print(status.pid, flush=True)

logs, port, *argv = sys.argv[1:]
spec = ProcessSpec(name="app", argv=tuple(argv), ready=TcpProbe(port=int(port)))
asyncio.run(Supervisor([spec], logs=Path(logs), changed=changed).run(asyncio.Event(), ready=lambda: None))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its parent died")
def test_processes_die_with_a_supervisor_that_is_killed(tmp_path: Path):
    spec = process("app")
    argv = (sys.executable, "-c", SUPERVISE, str(tmp_path), str(spec.port), *spec.argv)
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as supervisor:  # noqa: S603 - ours
        assert supervisor.stdout is not None
        child = int(supervisor.stdout.readline())
        supervisor.kill()

    wait_until(lambda: not exists(child), timeout_s=DEADLINE_S, what="the orphan to end")
