"""A local process that a test starts, stops and kills."""

import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from deploy.local.process import ProcessSpec, spawn

POLL_S = 0.02


class LocalProcess:
    """Runs one ProcessSpec; `start` returns when it is ready."""

    def __init__(self, spec: ProcessSpec, logs: Path) -> None:
        self.spec = spec
        self._log = logs / f"{spec.name}.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None, f"{self.spec.name} was not started"
        return self._process.pid

    def start(self) -> None:
        self.launch()
        self.wait_ready()

    def launch(self) -> None:
        """Start it without waiting, for callers that start several at once."""
        assert self._process is None, f"{self.spec.name} runs already"
        self._process = spawn(self.spec, self._log)

    def wait_ready(self) -> None:
        wait_until(self._ready, timeout_s=self.spec.ready_timeout_s, what=f"{self.spec.name} to be ready")

    def stop(self) -> int:
        """End it as an operator does, and return its exit code."""
        return self._end(lambda process: process.terminate())

    def kill(self) -> int:
        """End it as a crash does."""
        return self._end(lambda process: process.kill())

    def _end(self, end: Callable[[subprocess.Popen[bytes]], None]) -> int:
        if self._process is None:
            return 0
        end(self._process)
        try:
            return self._process.wait(self.spec.stop_timeout_s)
        finally:
            self._process = None

    def _ready(self) -> bool:
        assert self._process is not None
        code = self._process.poll()
        assert code is None, f"{self.spec.name} exited with {code}: {self._log.read_text(errors='replace')[-2000:]}"
        return self.spec.ready.answers()


def wait_until(condition: Callable[[], bool], *, timeout_s: float, what: str) -> None:
    """Return as soon as `condition` holds; fail with what was waited for."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"waited {timeout_s} s for {what}"
        time.sleep(POLL_S)
