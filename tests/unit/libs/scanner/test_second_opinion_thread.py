"""The second opinion is read off the event loop, one text at a time, and a late or broken one is a scanner's error."""

import asyncio
import threading

import pytest

from libs.scanner.scanner import ScannerFailedError, ScannerTimeoutError
from libs.scanner.second_opinion_thread import SecondOpinionThread

ANSWERS = {"evil": 3.0, "fine": -3.0}


class Reader:
    def __init__(self) -> None:
        self.threads: set[int] = set()
        self.hold = threading.Event()
        self.hold.set()

    def read(self, text: str) -> float:
        self.threads.add(threading.get_ident())
        self.hold.wait(10)
        return ANSWERS[text]


@pytest.fixture
def reader() -> Reader:
    return Reader()


@pytest.fixture
def thread(reader: Reader):
    thread = SecondOpinionThread(reader)
    yield thread
    reader.hold.set()
    thread.close()


async def test_answers_come_from_one_thread_that_is_not_the_loops(thread: SecondOpinionThread, reader: Reader):
    assert [3.0, -3.0, 3.0] == await asyncio.gather(*(thread.read(text, 5) for text in ("evil", "fine", "evil")))
    assert 1 == len(reader.threads)
    assert threading.get_ident() not in reader.threads


async def test_a_late_answer_is_a_timeout_and_the_next_text_is_read(thread: SecondOpinionThread, reader: Reader):
    reader.hold.clear()
    with pytest.raises(ScannerTimeoutError):
        await thread.read("evil", 0.01)
    reader.hold.set()
    assert -3.0 == await thread.read("fine", 5)


async def test_a_broken_reader_is_told_and_the_next_text_is_read(thread: SecondOpinionThread):
    with pytest.raises(ScannerFailedError):
        await thread.read("unknown", 5)
    assert 3.0 == await thread.read("evil", 5)
