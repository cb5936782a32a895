"""The second opinion in a thread of its own, behind the scans of the same process."""

import asyncio
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Final, Protocol

from libs.scanner.scanner import ScannerFailedError, ScannerTimeoutError

NICENESS: Final = 10


class Reader(Protocol):
    """Reads a text on the calling thread."""

    def read(self, text: str) -> float:
        """Return the log-odds that *text* is an attack."""


class SecondOpinionThread:
    """Reads one text at a time; as many wait as their callers let."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="second-opinion", initializer=_yield_to_others)

    async def read(self, text: str, deadline_s: float) -> float:
        """Return the log-odds that *text* is an attack; raises `ScannerTimeoutError` or `ScannerFailedError`."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(deadline_s):
                return await loop.run_in_executor(self._pool, self._reader.read, text)
        except TimeoutError as error:
            raise ScannerTimeoutError(f"no second opinion within {deadline_s} s") from error
        except Exception as error:
            raise ScannerFailedError("the second opinion broke") from error

    def close(self) -> None:
        """Finish the text that is being read, give up those that wait, and stop the thread."""
        self._pool.shutdown(cancel_futures=True)


def _yield_to_others() -> None:
    if sys.platform == "linux":  # Where a thread has a niceness of its own.
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
