"""Quotas refuse what is over them with the seconds until they reset; a client is told what is left."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.contracts.state import ApiKey, Plan
from services.gateway.domain.errors import RefusedError
from services.gateway.domain.limits import (
    Usage,
    minute_of,
    month_of,
    rate_limit,
    refuse_excess,
    seconds_left_of_month,
)

KEY = ApiKey(key_id="k", tenant="t", requests_per_minute=10)
PLAN = Plan(name="starter", monthly_requests=100)
NOW_MS = 1_795_000_010_000  # 10 s before the end of a minute, in November 2026.
FREE = ApiKey(key_id="k", tenant="t")


def test_the_last_request_within_a_limit_passes():
    refuse_excess(KEY, PLAN, Usage(minute=10, month=100), NOW_MS)


def test_no_limit_refuses_nothing_and_tells_nothing():
    refuse_excess(FREE, Plan(name="p"), Usage(minute=10**9, month=10**9), NOW_MS)
    assert rate_limit(FREE, Usage(minute=1, month=1), NOW_MS) is None


@pytest.mark.parametrize(
    ("usage", "code"),
    [
        (Usage(minute=11, month=1), "RATE_LIMIT_EXCEEDED"),
        (Usage(minute=1, month=101), "MONTHLY_LIMIT_EXCEEDED"),
        (Usage(minute=11, month=101), "RATE_LIMIT_EXCEEDED"),
    ],
)
def test_one_more_is_refused_until_the_window_ends(usage, code):
    with pytest.raises(RefusedError) as refused:
        refuse_excess(KEY, PLAN, usage, NOW_MS)
    assert (429, code) == (refused.value.status, refused.value.code)
    assert refused.value.retry_after_s >= 1


def test_what_is_left_is_told():
    headers = dict(rate_limit(KEY, Usage(minute=4, month=4), NOW_MS).headers())
    assert {
        "x-ratelimit-limit-requests": "10",
        "x-ratelimit-remaining-requests": "6",
        "x-ratelimit-reset-requests": f"{60 - NOW_MS // 1000 % 60}s",
    } == headers
    assert rate_limit(KEY, Usage(minute=40, month=4), NOW_MS).remaining == 0


@given(st.integers(0, 4_102_444_800_000))
def test_a_new_month_begins_when_the_seconds_left_are_over(now_ms):
    left_ms = seconds_left_of_month(now_ms) * 1000
    assert month_of(now_ms) != month_of(now_ms + left_ms + 1000)
    assert left_ms <= 31 * 86_400_000
    assert minute_of(now_ms + 60_000) == minute_of(now_ms) + 1
