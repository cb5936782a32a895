"""Months are UTC calendar months and end when they end."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.feedback_ingest.domain.months import month_of, seconds_left


def ms(*moment: int) -> int:
    return int(dt.datetime(*moment, tzinfo=dt.UTC).timestamp() * 1000)


@pytest.mark.parametrize(
    ("now_ms", "month", "left_s"),
    [
        (ms(2026, 12, 31, 23, 59, 59), "2026-12", 1),
        (ms(2027, 1, 1), "2027-01", 31 * 86_400),
        (ms(2028, 2, 29, 12), "2028-02", 43_200),
        (ms(2026, 12, 31, 23, 59, 59) + 999, "2026-12", 1),
    ],
)
def test_known_moments(now_ms: int, month: str, left_s: int):
    assert (month, left_s) == (month_of(now_ms), seconds_left(now_ms))


@given(st.integers(ms(2000, 1, 1), ms(2100, 1, 1)))
def test_waiting_leads_into_the_next_month(now_ms: int):
    assert 1 <= seconds_left(now_ms) <= 31 * 86_400
    assert month_of(now_ms) < month_of(now_ms + seconds_left(now_ms) * 1000 + 1000)
