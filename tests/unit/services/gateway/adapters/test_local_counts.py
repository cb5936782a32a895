"""Counts of this process begin anew with each minute and month, and stay bounded."""

from services.gateway.adapters.local_counts import MAX_KEYS, LocalCounts
from tests.unit.services.gateway.fakes import NOW_MS

MONTH_MS = 32 * 86_400_000


def test_minutes_and_months_count_apart():
    counts = LocalCounts()
    seen = [counts.count("t", "k", now_ms) for now_ms in (NOW_MS, NOW_MS, NOW_MS + 60_000, NOW_MS + MONTH_MS)]
    assert [(1, 1), (2, 2), (1, 3), (1, 1)] == [(usage.minute, usage.month) for usage in seen]


def test_a_released_request_is_not_charged_and_never_below_zero():
    counts = LocalCounts()
    counts.release("t", NOW_MS)
    counts.count("t", "k", NOW_MS)
    counts.release("t", NOW_MS)
    counts.release("t", NOW_MS)
    assert counts.count("t", "k", NOW_MS).month == 1


def test_memory_is_bounded_whatever_keys_come():
    counts = LocalCounts()
    for number in range(MAX_KEYS + 2):
        counts.count("t", f"k{number}", NOW_MS)
    assert len(counts._by_key) <= MAX_KEYS + 1
