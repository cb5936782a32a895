"""The scanner in a thread of its own, so that an event loop never computes a scan."""

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from libs.scanner.detector import Detector, ScanAbandonedError
from libs.scanner.scanner import ScannerBusyError, ScannerFailedError, ScannerTimeoutError
from libs.scanner.text import Segment
from libs.scanner.verdict import Thresholds, Verdict

QUEUE_SCANS: Final = 256
"""Scans that may wait: at a fifth of a millisecond each, the last in line waits for about 50 ms."""


class _Job(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    segments: Sequence[Segment]
    thresholds: Thresholds
    answer: "asyncio.Future[Verdict]"

    def settle(self, outcome: Verdict | Exception) -> None:
        """Answer on the caller's loop; on a closed loop nobody waits any more."""
        with contextlib.suppress(RuntimeError):
            self.answer.get_loop().call_soon_threadsafe(self._settle, outcome)

    def expire(self) -> None:
        """Give the caller up, on its own loop; a scan that is under way notices."""
        self._settle(ScannerTimeoutError("no verdict within the deadline"))

    def _settle(self, outcome: Verdict | Exception) -> None:
        if self.answer.done():
            return
        if isinstance(outcome, Exception):
            self.answer.set_exception(outcome)
        else:
            self.answer.set_result(outcome)


class OnnxScanner:
    """Scans in one thread behind a bounded queue; `scan` may be called from any event loop between `start` and `close`."""

    def __init__(self, detector: Callable[[], Detector] = Detector.bundled, queue_scans: int = QUEUE_SCANS) -> None:
        self._build = detector
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._queue_scans = queue_scans
        self._thread: threading.Thread | None = None

    @property
    def running(self) -> bool:
        """Whether scans are answered."""
        return self._thread is not None and self._thread.is_alive()

    @property
    def waiting(self) -> int:
        """How many scans are in the queue."""
        return self._jobs.qsize()

    def start(self) -> Thresholds:
        """Load the model (about a tenth of a second), start the thread, and return the bands that the model was calibrated for."""
        detector = self._build()
        self._thread = threading.Thread(target=self._work, args=(detector,), name="scanner", daemon=True)
        self._thread.start()
        return detector.thresholds

    def close(self) -> None:
        """Finish the scans that wait, then stop the thread; does nothing when it does not run."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._jobs.put(None)
            thread.join()

    async def scan(self, segments: Sequence[Segment], thresholds: Thresholds, deadline_s: float) -> Verdict:
        """Return the verdict within `deadline_s` seconds; see `libs.scanner.scanner` for what it raises."""
        if not self.running:
            raise ScannerFailedError("the scanner is not running")
        if self._jobs.qsize() >= self._queue_scans:
            raise ScannerBusyError("too many scans wait")
        loop = asyncio.get_running_loop()
        job = _Job(segments=segments, thresholds=thresholds, answer=loop.create_future())
        self._jobs.put(job)
        expiry = loop.call_later(deadline_s, job.expire)
        try:
            return await job.answer
        finally:
            expiry.cancel()

    def _work(self, detector: Detector) -> None:
        while (job := self._jobs.get()) is not None:
            if not job.answer.done():
                job.settle(_outcome(detector, job))


def _outcome(detector: Detector, job: _Job) -> Verdict | Exception:
    """Hand whatever broke to the caller, never to the thread: the next scan is another text."""
    try:
        return detector.scan_now(job.segments, job.thresholds, job.answer.done)
    except ScanAbandonedError as error:
        return error
    except Exception as error:  # noqa: BLE001 whatever broke is handed to the caller
        failure = ScannerFailedError("the scan broke")
        failure.__cause__ = error
        return failure
