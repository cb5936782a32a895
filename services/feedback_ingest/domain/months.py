"""Calendar months in UTC: what monthly quotas count by."""

import datetime as dt


def month_of(now_ms: int) -> str:
    """Return the month of a Unix time in milliseconds, as `2026-11`."""
    return f"{_instant(now_ms):%Y-%m}"


def seconds_left(now_ms: int) -> int:
    """Return how many seconds the month of *now_ms* still has, at least 1."""
    now = _instant(now_ms)
    first = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    following = (first + dt.timedelta(days=32)).replace(day=1)
    return max(1, int((following - now).total_seconds()))


def _instant(now_ms: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(now_ms / 1000, tz=dt.UTC)
