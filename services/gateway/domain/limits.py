"""Quotas: requests per minute of a key, requests per month of a tenant, and what a client is told about them."""

from datetime import UTC, datetime, timedelta

import msgspec

from libs.contracts.state import ApiKey, Plan
from services.gateway.domain.errors import RefusedError

MINUTE_MS = 60_000
LONGEST_RETRY_S = 60  # Official SDKs sleep for as long as `Retry-After` says: the rest of a month would hang them.


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """How many requests were made, this one included: by the key this minute, by the tenant this month."""

    minute: int
    month: int


class RateLimit(msgspec.Struct, frozen=True, kw_only=True):
    """The per-minute limit as a client sees it; *reset_s* is when the window ends."""

    limit: int
    remaining: int
    reset_s: int

    def headers(self) -> tuple[tuple[str, str], ...]:
        """Return OpenAI's `x-ratelimit-*` headers."""
        return (
            ("x-ratelimit-limit-requests", str(self.limit)),
            ("x-ratelimit-remaining-requests", str(self.remaining)),
            ("x-ratelimit-reset-requests", f"{self.reset_s}s"),
        )


def minute_of(now_ms: int) -> int:
    """Return the number of the minute since the epoch."""
    return now_ms // MINUTE_MS


def month_of(now_ms: int) -> str:
    """Return the UTC month as `2026-11`."""
    now = datetime.fromtimestamp(now_ms / 1000, UTC)
    return f"{now.year:04d}-{now.month:02d}"


def rate_limit(key: ApiKey, usage: Usage, now_ms: int) -> RateLimit | None:
    """Return what the client is told, or None where the key has no limit."""
    limit = key.requests_per_minute
    if limit is None:
        return None
    return RateLimit(limit=limit, remaining=max(0, limit - usage.minute), reset_s=_seconds_left_of_minute(now_ms))


def refuse_excess(key: ApiKey, plan: Plan, usage: Usage, now_ms: int) -> None:
    """Raise `RefusedError` (429) where *usage* is over the key's or the plan's limit."""
    if key.requests_per_minute is not None and usage.minute > key.requests_per_minute:
        raise RefusedError(
            429,
            "RATE_LIMIT_EXCEEDED",
            f"This key may make {key.requests_per_minute} requests per minute.",
            retry_after_s=_seconds_left_of_minute(now_ms),
        )
    if plan.monthly_requests is not None and usage.month > plan.monthly_requests:
        raise RefusedError(
            429,
            "MONTHLY_LIMIT_EXCEEDED",
            f"The plan {plan.name} includes {plan.monthly_requests} requests per month.",
            retry_after_s=min(LONGEST_RETRY_S, seconds_left_of_month(now_ms)),
        )


def seconds_left_of_month(now_ms: int) -> int:
    """Return the seconds until the next UTC month begins, at least 1."""
    now = datetime.fromtimestamp(now_ms / 1000, UTC)
    first = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    following = (first + timedelta(days=32)).replace(day=1)
    return max(1, int((following - now).total_seconds()))


def _seconds_left_of_minute(now_ms: int) -> int:
    return max(1, -(-(MINUTE_MS - now_ms % MINUTE_MS) // 1000))
