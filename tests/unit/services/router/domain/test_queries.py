"""Query parameters become filters, and times keep their meaning."""

from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from services.router.domain.queries import Filters, Page, read_page, rfc3339

SECRET = b"secret"


def test_everything_may_be_left_out():
    assert Page(filters=Filters(tenant="acme"), limit=100) == read_page("acme", {}, secret=SECRET)


def test_every_parameter_filters():
    query = {
        "session_id": "s",
        "from": "2026-01-01T00:00:00Z",
        "to": "2026-01-01T01:00:00+01:00",
        "model": "m",
        "routing_strategy": "weighted",
        "limit": "500",
    }
    ms = 1_767_225_600_000
    filters = Filters(tenant="acme", session_id="s", from_ms=ms, to_ms=ms, model="m", strategy="weighted")
    assert Page(filters=filters, limit=500) == read_page("acme", query, secret=SECRET)


@given(
    st.datetimes(min_value=datetime(1971, 1, 1), max_value=datetime(2999, 1, 1)),  # noqa: DTZ001 - the zone follows
    st.integers(-14 * 60, 14 * 60),
)
def test_a_time_is_the_same_in_every_zone_to_the_millisecond(naive: datetime, offset_min: int):
    moment = naive.replace(tzinfo=UTC, microsecond=naive.microsecond // 1000 * 1000)
    shown = moment.astimezone(timezone(timedelta(minutes=offset_min))).isoformat()
    from_ms = read_page("acme", {"from": shown}, secret=SECRET).filters.from_ms
    assert from_ms is not None
    assert moment == datetime.fromisoformat(rfc3339(from_ms))
