"""The journal gives back, in order, what it took: whatever process, disk and broker do in between."""

import os
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from libs.kafka.frames import encode
from libs.kafka.journal import Journal, JournalFullError
from libs.kafka.segments import Position, sync_files

SEGMENT_BYTES = 200
KEYS = (b"a", b"b", b"c")


def frame(number: int) -> bytes:
    return encode("t", KEYS[number % len(KEYS)], str(number).encode(), 0)


def open_journal(directory: Path, *, max_bytes: int = 1 << 20) -> Journal:
    return Journal(directory, segment_bytes=SEGMENT_BYTES, max_bytes=max_bytes)


def read_all(journal: Journal) -> list[int]:
    numbers = []
    while (chunk := journal.read(64)) is not None:
        numbers += [int(message.value) for message in chunk.messages]
    return numbers


def abandon(journal: Journal) -> None:
    """Let go of the files as a dying process does: nothing is tidied up."""
    for file in (*journal._segments, journal._checkpoint):
        os.close(file._fd)


class JournalLife(RuleBasedStateMachine):
    """Appends, deliveries, syncs and crashes in any order."""

    @initialize()
    def open(self) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="journal-"))
        self.journal = open_journal(self.directory)
        self.appended = 0
        self.on_disk: list[int] = []
        self.delivered: list[int] = []
        self.synced_sizes: dict[str, int] = {}
        self.durable: set[int] = set()
        self.lost: set[int] = set()

    @rule(count=st.integers(1, 6))
    def append(self, count: int) -> None:
        numbers = range(self.appended, self.appended + count)
        self.journal.append([frame(number) for number in numbers])
        self.appended += count

    @rule(acked=st.booleans())
    def deliver(self, *, acked: bool) -> None:
        chunk = self.journal.read(64)
        if chunk is None:
            return
        self.delivered += [int(message.value) for message in chunk.messages]
        if acked:
            self.journal.ack(chunk.end)

    @rule()
    def sync(self) -> None:
        sync_files(self.journal.dirty_descriptors(), self.directory)
        self.synced_sizes = {path.name: path.stat().st_size for path in self.directory.glob("*.segment")}
        self.durable |= set(range(self.appended)) - self.lost

    @rule()
    def process_dies(self) -> None:
        abandon(self.journal)
        self.journal = open_journal(self.directory)

    @rule(data=st.data())
    def machine_dies(self, data: st.DataObject) -> None:
        abandon(self.journal)
        for path in sorted(self.directory.glob("*.segment")):
            # A torn tail that was synced may have been cut off since.
            size = path.stat().st_size
            keep = data.draw(st.integers(min(self.synced_sizes.get(path.name, 0), size), size))
            garbage = data.draw(st.binary(max_size=12)) if keep < size else b""
            with path.open("r+b") as file:
                file.truncate(keep)
                file.seek(keep)
                file.write(garbage)
        self.lost |= set(range(self.appended)) - self.durable - set(self.delivered)
        self.journal = open_journal(self.directory)

    @invariant()
    def each_key_arrives_in_order(self) -> None:
        if not hasattr(self, "delivered"):
            return
        firsts = list(dict.fromkeys(self.delivered))
        for key in range(len(KEYS)):
            of_key = [number for number in firsts if number % len(KEYS) == key]
            assert sorted(of_key) == of_key

    def teardown(self) -> None:
        if not hasattr(self, "journal"):
            return
        abandon(self.journal)
        self.journal = open_journal(self.directory)
        self.delivered += read_all(self.journal)
        abandon(self.journal)
        shutil.rmtree(self.directory)
        self.each_key_arrives_in_order()
        assert set() == (set(range(self.appended)) - self.lost) - set(self.delivered)
        assert set() == self.durable - set(self.delivered)


TestJournalLife = JournalLife.TestCase
TestJournalLife.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


def test_what_another_life_left_is_read_first(tmp_path):
    first = open_journal(tmp_path)
    first.append([frame(0), frame(1)])
    abandon(first)
    second = open_journal(tmp_path)
    second.append([frame(2)])
    assert [0, 1, 2] == read_all(second)
    second.close()


def test_acknowledged_files_are_deleted(tmp_path):
    journal = open_journal(tmp_path)
    for number in range(40):
        journal.append([frame(number)])
    while (chunk := journal.read(1 << 20)) is not None:
        journal.ack(chunk.end)
    assert 1 == len(list(tmp_path.glob("*.segment")))
    journal.close()
    assert [] == list(tmp_path.glob("*.segment"))


def test_a_full_journal_takes_nothing_and_keeps_what_it_has(tmp_path):
    journal = open_journal(tmp_path, max_bytes=2 * len(frame(0)))
    journal.append([frame(0)])
    with pytest.raises(JournalFullError):
        journal.append([frame(1), frame(2)])
    assert [0] == read_all(journal)
    journal.close()


def test_space_comes_back_with_acknowledgements(tmp_path):
    journal = open_journal(tmp_path, max_bytes=SEGMENT_BYTES + len(frame(0)))
    while journal.size_bytes < SEGMENT_BYTES:
        journal.append([frame(0)])
    while (chunk := journal.read(1 << 20)) is not None:
        journal.ack(chunk.end)
    journal.append([frame(7)])
    assert [7] == read_all(journal)
    journal.close()


def test_a_torn_tail_is_cut_off_and_counted(tmp_path):
    journal = open_journal(tmp_path)
    position = journal.append([frame(0)])
    abandon(journal)
    with next(tmp_path.glob("*.segment")).open("ab") as file:
        file.write(frame(1)[:-1])
    journal = open_journal(tmp_path)
    journal.append([frame(2)])
    assert [0, 2] == read_all(journal)
    assert len(frame(1)) - 1 == journal.torn_bytes
    assert Position(position.segment + 1, len(frame(2))) == journal.end
    journal.close()


def test_a_damaged_checkpoint_makes_duplicates_but_loses_nothing(tmp_path):
    journal = open_journal(tmp_path)
    journal.append([frame(0), frame(1)])
    chunk = journal.read(len(frame(0)))
    journal.ack(chunk.end)
    abandon(journal)
    (tmp_path / "checkpoint").write_bytes(b"\xff" * 20)
    journal = open_journal(tmp_path)
    assert [0, 1] == read_all(journal)
    journal.close()


def test_a_failed_write_leaves_no_half_of_an_event(tmp_path, monkeypatch):
    journal = open_journal(tmp_path)
    journal.append([frame(0)])
    write, calls = os.write, []

    def failing(descriptor: int, data: bytes) -> int:
        calls.append(descriptor)
        if len(calls) == 1:
            return write(descriptor, data[:5])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", failing)
    with pytest.raises(OSError, match="No space left"):
        journal.append([frame(1)])
    monkeypatch.undo()
    journal.append([frame(2)])
    assert [0, 2] == read_all(journal)
    assert 0 == journal.torn_bytes
    journal.close()
