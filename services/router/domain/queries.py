"""What a client asks of the decision log: filters, page and time range, read from query parameters."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import msgspec

from services.router.domain.cursor import CursorError, Position, seal, unseal
from services.router.domain.refusals import RefusedError

DEFAULT_LIMIT = 100
MAX_LIMIT = 500
MAX_FILTER_CHARS = 256
LIST_KEYS = ("session_id", "from", "to", "model", "routing_strategy", "limit", "cursor")
EXPORT_KEYS = ("from", "to", "format")
FORMATS = ("jsonl", "csv")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)


class Filters(msgspec.Struct, frozen=True, kw_only=True):
    """Which decisions of a tenant: *from_ms* inclusive, *to_ms* exclusive, Unix milliseconds; None filters nothing."""

    tenant: str
    session_id: str | None = None
    from_ms: int | None = None
    to_ms: int | None = None
    model: str | None = None
    strategy: str | None = None

    @property
    def scope(self) -> bytes:
        """Return what a cursor is bound to: it continues this very listing."""
        return msgspec.json.encode(self)


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """At most *limit* decisions, newest first, below *after*."""

    filters: Filters
    limit: int = DEFAULT_LIMIT
    after: Position | None = None


class Export(msgspec.Struct, frozen=True, kw_only=True):
    """All decisions in a time range, oldest first, as *form*."""

    filters: Filters
    form: str = "jsonl"


def read_page(tenant: str, query: Mapping[str, str], *, secret: bytes) -> Page:
    """Return the page that *query* asks for; raises `RefusedError` naming the parameter at fault."""
    refuse_unknown(query, LIST_KEYS)
    filters = _filters(tenant, query)
    return Page(filters=filters, limit=_limit(query.get("limit")), after=_after(query.get("cursor"), filters, secret))


def read_export(tenant: str, query: Mapping[str, str]) -> Export:
    """Return the export that *query* asks for; raises `RefusedError` naming the parameter at fault."""
    refuse_unknown(query, EXPORT_KEYS)
    for name in ("from", "to"):
        if not query.get(name):
            raise RefusedError(f"{name}: is needed, as in {name}=2026-01-31T00:00:00Z", param=name)
    form = query.get("format", "jsonl")
    if form not in FORMATS:
        raise RefusedError(f"format: use {' or '.join(FORMATS)}", param="format")
    return Export(filters=_filters(tenant, query), form=form)


def next_cursor(last: Position, filters: Filters, *, secret: bytes) -> str:
    """Return the cursor of the page below *last*."""
    return seal(last, scope=filters.scope, secret=secret)


def rfc3339(ms: int) -> str:
    """Return Unix milliseconds as RFC 3339 in UTC."""
    return (_EPOCH + ms * _MS).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def refuse_unknown(query: Mapping[str, str], known: tuple[str, ...]) -> None:
    """Raise `RefusedError` naming a parameter that is not *known*."""
    for name in query:
        if name not in known:
            raise RefusedError(f"{name}: unknown parameter; known are {', '.join(known)}", param=name)


def _filters(tenant: str, query: Mapping[str, str]) -> Filters:
    return Filters(
        tenant=tenant,
        session_id=_text("session_id", query),
        from_ms=_instant("from", query),
        to_ms=_instant("to", query),
        model=_text("model", query),
        strategy=_text("routing_strategy", query),
    )


def _text(name: str, query: Mapping[str, str]) -> str | None:
    value = query.get(name)
    if value is not None and not 0 < len(value) <= MAX_FILTER_CHARS:
        raise RefusedError(f"{name}: use 1 to {MAX_FILTER_CHARS} characters", param=name)
    return value


def _instant(name: str, query: Mapping[str, str]) -> int | None:
    text = query.get(name)
    if text is None:
        return None
    try:
        instant = datetime.fromisoformat(text)
    except ValueError as error:
        raise _no_instant(name) from error
    if instant.tzinfo is None:
        raise _no_instant(name)
    # Rounded up: rows stand at whole milliseconds, and a bound between two of them means the later one.
    return -((_EPOCH - instant) // _MS)


def _no_instant(name: str) -> RefusedError:
    return RefusedError(f"{name}: use RFC 3339 with a time zone, as in 2026-01-31T00:00:00Z", param=name)


def _limit(text: str | None) -> int:
    if text is None:
        return DEFAULT_LIMIT
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(MAX_LIMIT)) and 1 <= int(text) <= MAX_LIMIT):
        raise RefusedError(f"limit: use a number from 1 to {MAX_LIMIT}", param="limit")
    return int(text)


def _after(cursor: str | None, filters: Filters, secret: bytes) -> Position | None:
    if cursor is None:
        return None
    try:
        return unseal(cursor, scope=filters.scope, secret=secret)
    except CursorError as error:
        raise RefusedError(
            "cursor: use next_cursor of the page before, with the same filters", param="cursor"
        ) from error
