"""Keeps a set of processes running: started in the order of their needs, restarted with backoff, stopped in reverse."""

import asyncio
from asyncio.subprocess import Process
from collections.abc import Awaitable, Callable, Sequence
from enum import StrEnum
from pathlib import Path

import msgspec

from deploy.local.process import ProcessSpec, spawn_options

PROBE_EVERY_S = 0.05
LOG_TAIL_BYTES = 2000
EXIT_MISCONFIGURED = 2


class State(StrEnum):
    """Where a process is in its life."""

    WAITING = "waiting"
    STARTING = "starting"
    READY = "ready"
    RESTARTING = "restarting"
    FAILED = "failed"
    STOPPING = "stopping"
    STOPPED = "stopped"


class Backoff(msgspec.Struct, frozen=True, kw_only=True):
    """How long to wait before a restart: doubling from `first_s` to `most_s`, forgotten after `calm_s` without a crash."""

    first_s: float = 0.2
    most_s: float = 5.0
    calm_s: float = 60.0

    def delay_s(self, restarts: int) -> float:
        """Return the wait before restart number `restarts`, counted from 1."""
        return float(min(self.most_s, self.first_s * 2 ** (restarts - 1)))


class ProcessStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One process at one moment; `restarts` counts since the stack started."""

    name: str
    port: int
    state: State = State.WAITING
    pid: int | None = None
    restarts: int = 0


class StackFailedError(Exception):
    """A process did not become ready or crashed too often; the message names it and ends with its last output."""


class Supervisor:
    """
    Runs `specs` until it is told to stop.

    Raises ValueError when a dependency is missing or circular. `changed` is called with each new status.
    """

    def __init__(
        self,
        specs: Sequence[ProcessSpec],
        *,
        logs: Path,
        changed: Callable[[ProcessStatus], None],
        backoff: Backoff | None = None,
    ) -> None:
        self._children = {spec.name: _Child(spec, logs, changed, backoff or Backoff()) for spec in _in_order(specs)}

    @property
    def statuses(self) -> tuple[ProcessStatus, ...]:
        """Return the status of every process, in start order."""
        return tuple(child.status for child in self._children.values())

    async def run(self, stop: asyncio.Event, *, ready: Callable[[], None]) -> None:
        """Start everything, call `ready` once all are, keep them running until `stop` is set, then stop everything."""
        work = [asyncio.create_task(self._keep(child)) for child in self._children.values()]
        work.append(asyncio.create_task(self._announce(ready)))
        stopping = asyncio.create_task(stop.wait())
        try:
            await _first_failure_or(stopping, work)
        finally:
            for task in (stopping, *work):
                task.cancel()
            await asyncio.gather(stopping, *work, return_exceptions=True)
            await asyncio.gather(*(self._stop(child) for child in self._children.values()))

    async def _keep(self, child: "_Child") -> None:
        await child.keep_running(
            needed=lambda: self._all_ready(child.spec.depends_on), ended=lambda: self._take_along(child.spec)
        )

    async def _take_along(self, spec: ProcessSpec) -> None:
        if spec.forgetful:
            dependent = (child for child in self._children.values() if spec.name in child.spec.depends_on)
            await asyncio.gather(*(child.begin_anew() for child in dependent))

    async def _announce(self, ready: Callable[[], None]) -> None:
        await self._all_ready(tuple(self._children))
        ready()
        await asyncio.Event().wait()

    async def _all_ready(self, names: tuple[str, ...]) -> None:
        for name in names:
            await self._children[name].ready.wait()

    async def _stop(self, child: "_Child") -> None:
        for other in self._children.values():
            if child.spec.name in other.spec.depends_on:
                await other.stopped.wait()
        await child.stop()


class _Child:
    """One process over all of its lives."""

    def __init__(
        self, spec: ProcessSpec, logs: Path, changed: Callable[[ProcessStatus], None], backoff: Backoff
    ) -> None:
        self.spec = spec
        self.status = ProcessStatus(name=spec.name, port=spec.port)
        self.ready = asyncio.Event()
        self.stopped = asyncio.Event()
        self._log = logs / f"{spec.name}.log"
        self._changed = changed
        self._backoff = backoff
        self._process: Process | None = None
        self._anew = False

    async def keep_running(
        self, *, needed: Callable[[], Awaitable[None]], ended: Callable[[], Awaitable[None]]
    ) -> None:
        """
        Start the process once *needed* returns, and again whenever it ends, after *ended*.

        Raises StackFailedError when a restart is not going to help.
        """
        crashes = 0
        self._keep_one_old_log()
        while True:
            await needed()
            lived_s = await self._live()
            self.ready.clear()
            await ended()
            if self._anew:
                self._anew = False
                self._set(state=State.RESTARTING, pid=None, restarts=self.status.restarts + 1)
                continue
            if self._process is not None and self._process.returncode == EXIT_MISCONFIGURED:
                self._fail("does not accept its configuration")
            crashes = 1 if lived_s > self._backoff.calm_s else crashes + 1
            if crashes > self.spec.max_restarts:
                self._fail(f"exited {crashes} times")
            self._set(state=State.RESTARTING, pid=None, restarts=self.status.restarts + 1)
            await asyncio.sleep(self._backoff.delay_s(crashes))

    async def begin_anew(self) -> None:
        """End the process so that it is started again, which is not counted as a crash."""
        if self._process is not None and self._process.returncode is None:
            self._anew = True
            await _end(self._process, self.spec.stop_timeout_s)

    async def stop(self) -> None:
        """Ask the process to end, force it after its time is up."""
        if self._process is not None and self._process.returncode is None:
            self._set(state=State.STOPPING)
            await _end(self._process, self.spec.stop_timeout_s)
        if self.status.state is not State.FAILED:
            self._set(state=State.STOPPED, pid=None)
        self.stopped.set()

    async def _live(self) -> float:
        loop = asyncio.get_running_loop()
        begin_s = loop.time()
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self.spec.argv, **spawn_options(self.spec, log.fileno())
            )
        self._set(state=State.STARTING, pid=self._process.pid)
        await self._become_ready(self._process)
        await self._process.wait()
        return loop.time() - begin_s

    async def _become_ready(self, process: Process) -> None:
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + self.spec.ready_timeout_s
        while not await asyncio.to_thread(self.spec.ready.answers):
            if process.returncode is not None:
                return
            if loop.time() > deadline_s:
                self._fail(f"was not ready within {self.spec.ready_timeout_s:g} s")
            await asyncio.sleep(PROBE_EVERY_S)
        self.ready.set()
        self._set(state=State.READY)

    def _keep_one_old_log(self) -> None:
        if self._log.exists():
            self._log.replace(self._log.with_suffix(".log.old"))

    def _fail(self, reason: str) -> None:
        self._set(state=State.FAILED)
        tail = self._log.read_bytes()[-LOG_TAIL_BYTES:].decode(errors="replace")
        raise StackFailedError(f"{self.spec.name} {reason}; the end of {self._log}:\n{tail}")

    def _set(self, **changes: object) -> None:
        self.status = msgspec.structs.replace(self.status, **changes)
        self._changed(self.status)


def _in_order(specs: Sequence[ProcessSpec]) -> list[ProcessSpec]:
    names = [spec.name for spec in specs]
    if len(set(names)) != len(names):
        raise ValueError(f"two processes have the same name: {names}")
    ordered: list[ProcessSpec] = []
    waiting = list(specs)
    while waiting:
        started = {spec.name for spec in ordered}
        able = [spec for spec in waiting if started.issuperset(spec.depends_on)]
        if not able:
            raise ValueError(f"circular or unknown dependency among {[spec.name for spec in waiting]}")
        ordered += able
        waiting = [spec for spec in waiting if spec not in able]
    return ordered


async def _first_failure_or(stopping: "asyncio.Task[bool]", work: list["asyncio.Task[None]"]) -> None:
    done, _ = await asyncio.wait([stopping, *work], return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        task.result()


async def _end(process: Process, timeout_s: float) -> None:
    try:
        process.terminate()
        await asyncio.wait_for(process.wait(), timeout_s)
    except ProcessLookupError:
        return
    except TimeoutError:
        process.kill()
        await process.wait()
