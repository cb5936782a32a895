"""Batches keep the order of records and stay within their limits."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.kafka.batches import Batcher, BatchLimits
from libs.kafka.record import Record


def record(offset: int, *, topic: str = "t", partition: int = 0) -> Record:
    return Record(topic=topic, partition=partition, offset=offset, key=b"", value=b"")


def offsets(batches) -> list[list[int]]:
    return [[one.offset for one in records] for _, records in batches]


def test_a_batch_is_full_at_its_count():
    batcher = Batcher(BatchLimits(max_records=2))
    batcher.add(map(record, range(5)), now_s=0)
    assert [[0, 1], [2, 3]] == offsets(batcher.take(now_s=0))


def test_a_batch_is_due_when_its_first_record_has_waited():
    batcher = Batcher(BatchLimits(max_wait_s=1.0))
    batcher.add([record(0)], now_s=10.0)
    batcher.add([record(1)], now_s=10.9)
    assert [] == offsets(batcher.take(now_s=10.9))
    assert [[0, 1]] == offsets(batcher.take(now_s=11.0))


def test_partitions_never_mix():
    batcher = Batcher(BatchLimits(max_wait_s=0))
    batcher.add([record(0, partition=1), record(0, partition=2), record(1, partition=1)], now_s=0)
    assert [[0, 1], [0]] == offsets(batcher.take(now_s=0))


def test_topics_of_one_partition_meet_in_poll_order():
    batcher = Batcher(BatchLimits(max_wait_s=0))
    polled = [record(7, topic="a"), record(3, topic="b"), record(8, topic="a")]
    batcher.add(polled, now_s=0)
    assert [(0, polled)] == list(batcher.take(now_s=0))


def test_what_waits_of_a_revoked_partition_is_forgotten():
    batcher = Batcher(BatchLimits(max_wait_s=0))
    batcher.add([record(0, partition=1), record(0, partition=2)], now_s=0)
    batcher.forget([1])
    assert [2] == [partition for partition, _ in batcher.take(now_s=0)]


@pytest.mark.parametrize(("now_s", "wait_s"), [(10.0, 0.05), (10.09, 0.01), (12.0, 0.0)])
def test_a_poll_waits_no_longer_than_the_oldest_batch_may(now_s, wait_s):
    batcher = Batcher(BatchLimits(max_wait_s=0.1, poll_s=0.05))
    batcher.add([record(0)], now_s=10.0)
    assert wait_s == pytest.approx(batcher.wait_s(now_s=now_s))


def test_an_idle_batcher_waits_the_whole_poll():
    assert 0.05 == Batcher(BatchLimits(poll_s=0.05)).wait_s(now_s=0)


@given(st.lists(st.lists(st.integers(1, 3), max_size=20), max_size=10), st.integers(1, 7), st.integers(1, 9))
def test_cuts_stand_at_multiples_however_the_records_arrive(polls, max_records, cut_every):
    batcher = Batcher(BatchLimits(max_records=max_records, max_wait_s=0, cut_every=cut_every))
    offset, added, taken = 0, [], []
    for poll in polls:
        records = []
        for gap in poll:
            offset += gap
            records.append(record(offset))
        added += records
        batcher.add(records, now_s=0)
        taken += [batch for _, batch in batcher.take(now_s=0)]
    assert added == [one for batch in taken for one in batch]
    assert all(1 <= len(batch) <= max_records for batch in taken)
    assert all(batch[0].offset // cut_every == batch[-1].offset // cut_every for batch in taken)
