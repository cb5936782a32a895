"""A log is resumed where it was left, unless it is another log or has lost what comes next."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.aggregator.domain.places import (
    Fingerprint,
    LogBounds,
    Place,
    Resumption,
    fingerprint,
    parse_places,
    resume,
)

LAST = Fingerprint(offset=9, timestamp_ms=5, crc=7)
OTHER = Fingerprint(offset=9, timestamp_ms=6, crc=7)
PLACE = Place(next_offset=10, last=LAST)


@pytest.mark.parametrize(
    ("place", "bounds", "found", "expected"),
    [
        (None, (3, 8), None, Resumption(offset=3, finding="first")),
        (PLACE, (0, 10), LAST, Resumption(offset=10, finding="resumed")),
        (PLACE, (0, 50), LAST, Resumption(offset=10, finding="resumed")),
        (PLACE, (0, 9), None, Resumption(offset=0, finding="reborn")),
        (PLACE, (0, 50), OTHER, Resumption(offset=0, finding="reborn")),
        (PLACE, (14, 50), None, Resumption(offset=14, finding="expired", lost=4)),
        (PLACE, (10, 50), None, Resumption(offset=10, finding="resumed")),
        (Place(next_offset=0), (0, 0), None, Resumption(offset=0, finding="resumed")),
    ],
)
def test_where_a_log_is_resumed(place, bounds, found, expected):
    assert expected == resume(place, LogBounds(beginning=bounds[0], end=bounds[1]), found)


@given(offset=st.integers(0, 2**60), timestamp_ms=st.integers(-1, 2**42), key=st.binary(), value=st.binary())
def test_a_stored_fingerprint_is_read_back(offset, timestamp_ms, key, value):
    last = fingerprint(offset=offset, timestamp_ms=timestamp_ms, key=key, value=value)
    stored = {"requests": str(offset + 1), "requests:print": last.text(), "requests:epoch": "8", "feedback": "0"}
    expected = {
        "requests": Place(next_offset=offset + 1, last=last, epoch_ms=8),
        "feedback": Place(next_offset=0),
    }
    assert expected == parse_places(stored)


@given(key=st.binary(), value=st.binary(), extra=st.binary(min_size=1))
def test_another_value_has_another_fingerprint(key, value, extra):
    one = fingerprint(offset=0, timestamp_ms=0, key=key, value=value)
    assert one != fingerprint(offset=0, timestamp_ms=0, key=key, value=value + extra)
