"""The decision log in ClickHouse: every query carries the tenant, every row is the event as it was recorded."""

import asyncio
import threading
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
from clickhouse_driver import Client
from clickhouse_driver.errors import ErrorCodes, NetworkError, ServerException, SocketTimeoutError

from libs.contracts.events import FeedbackReceived, RequestCompleted, WeightsPublished
from libs.contracts.state import POOL
from services.router.domain.cursor import Position
from services.router.domain.queries import Filters, Page
from services.router.domain.transcripts import Turn
from services.router.ports import DecisionLogUnavailableError

EXPORT_CHUNK = 2_000
MAX_TURNS = 1_000
MAX_RATINGS = 100_000

_AWAY = (NetworkError, SocketTimeoutError, EOFError, OSError)
_OVERLOADED = frozenset(
    {
        ErrorCodes.UNKNOWN_TABLE,  # The schema is not migrated yet.
        ErrorCodes.UNKNOWN_DATABASE,
        ErrorCodes.TIMEOUT_EXCEEDED,
        ErrorCodes.TOO_MANY_SIMULTANEOUS_QUERIES,
        ErrorCodes.MEMORY_LIMIT_EXCEEDED,
    }
)
_CONDITIONS = {
    "session_id": "session_id = %(session_id)s",
    "from_ms": "created_at_ms >= %(from_ms)s",
    "to_ms": "created_at_ms < %(to_ms)s",
    "model": "model = %(model)s",
    "strategy": "strategy = %(strategy)s",
}
_BELOW = "created_at_ms <= %(at_ms)s AND (created_at_ms < %(at_ms)s OR request_id < %(at_id)s)"
_ABOVE = "created_at_ms >= %(at_ms)s AND (created_at_ms > %(at_ms)s OR request_id > %(at_id)s)"


class ClickHouseDecisions:
    """
    Reads with a few blocking connections on threads of their own.

    An answer takes at most *timeout_s*; a statement that takes longer is given up by the server too. A redelivered request is
    the same row again: one of them is taken, without FINAL, so that the indexes of request and session are used.
    """

    def __init__(self, url: str, *, timeout_s: float = 10.0, threads: int = 4) -> None:
        self._url = url
        self._timeout_s = timeout_s
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="clickhouse")
        self._local = threading.local()
        self._clients: list[Client] = []
        self._requests = msgspec.json.Decoder(RequestCompleted)
        self._ratings = msgspec.json.Decoder(FeedbackReceived)
        self._weights = msgspec.json.Decoder(WeightsPublished)

    async def ping(self) -> None:
        """Return when the server answers."""
        await self.rows("SELECT 1", {})

    async def find(self, tenant: str, request_id: str) -> RequestCompleted | None:
        """Return one request of the tenant."""
        found = await self._events(
            "SELECT event FROM requests WHERE tenant = %(tenant)s AND request_id = %(request_id)s LIMIT 1",
            {"tenant": tenant, "request_id": request_id},
        )
        return found[0] if found else None

    async def page(self, page: Page) -> Sequence[RequestCompleted]:
        """Return the page and one more, newest first."""
        where, values = _where(page.filters, page.after, _BELOW)
        order = "ORDER BY created_at_ms DESC, request_id DESC LIMIT 1 BY request_id LIMIT %(limit)s"
        return await self._events(
            f"SELECT event FROM requests WHERE {where} {order}",  # noqa: S608 - made of constants
            values | {"limit": page.limit + 1},
        )

    async def ratings(self, tenant: str, session_ids: Collection[str]) -> Sequence[FeedbackReceived]:
        """Return every rating of these sessions."""
        if not session_ids:
            return ()
        rows = await self.rows(
            "SELECT event FROM feedback FINAL WHERE tenant = %(tenant)s AND session_id IN %(sessions)s LIMIT %(limit)s",
            {"tenant": tenant, "sessions": tuple(sorted(session_ids)), "limit": MAX_RATINGS},
        )
        return [self._ratings.decode(event) for (event,) in rows]

    async def export(self, filters: Filters) -> AsyncIterator[Sequence[RequestCompleted]]:
        """Yield chunk after chunk, each asked for when the one before has been taken."""
        after: Position | None = None
        while True:
            where, values = _where(filters, after, _ABOVE)
            order = "ORDER BY created_at_ms, request_id LIMIT 1 BY request_id LIMIT %(limit)s"
            chunk = await self._events(
                f"SELECT event FROM requests WHERE {where} {order}",  # noqa: S608 - made of constants
                values | {"limit": EXPORT_CHUNK},
            )
            if not chunk:
                return
            yield chunk
            after = Position(chunk[-1].created_at_ms, chunk[-1].request_id)

    async def transcripts(self, tenant: str, session_id: str) -> Sequence[Turn]:
        """Return the newest stored bodies of a session that have not expired, oldest first."""
        columns = Turn.__struct_fields__
        rows = await self.rows(
            f"SELECT {', '.join(columns)} FROM transcripts FINAL "  # noqa: S608 - made of constants
            "WHERE tenant = %(tenant)s AND session_id = %(session_id)s "
            "AND expires_at_ms > toUnixTimestamp64Milli(now64(3)) "
            "ORDER BY created_at_ms DESC, request_id DESC LIMIT %(limit)s",
            {"tenant": tenant, "session_id": session_id, "limit": MAX_TURNS},
        )
        return [Turn(**dict(zip(columns, row, strict=True))) for row in reversed(rows)]

    async def tenants(self, *, from_ms: int, to_ms: int) -> Sequence[str]:
        """Return who made requests in the time range."""
        rows = await self.rows(
            "SELECT DISTINCT tenant FROM requests WHERE created_at_ms >= %(from_ms)s AND created_at_ms < %(to_ms)s "
            "ORDER BY tenant",
            {"from_ms": from_ms, "to_ms": to_ms},
        )
        return [tenant for (tenant,) in rows]

    async def count(self, filters: Filters) -> int:
        """Return the number of rows."""
        where, values = _where(filters, None, _ABOVE)
        ((rows,),) = await self.rows(f"SELECT count() FROM requests WHERE {where}", values)  # noqa: S608 - made of constants
        return int(rows)

    async def weights(self, tenant: str, event_ids: Collection[str]) -> Sequence[WeightsPublished]:
        """Return publications of the tenant or the pool by event id."""
        if not event_ids:
            return ()
        rows = await self.rows(
            "SELECT event FROM weights WHERE scope IN %(scopes)s AND event_id IN %(ids)s LIMIT 1 BY event_id",
            {"scopes": (tenant, POOL), "ids": tuple(sorted(event_ids))},
        )
        return [self._weights.decode(event) for (event,) in rows]

    async def close(self) -> None:
        """Finish what runs and disconnect."""
        await asyncio.to_thread(self._threads.shutdown, wait=True)
        for client in self._clients:
            client.disconnect()

    async def _events(self, statement: str, values: Mapping[str, object]) -> list[RequestCompleted]:
        return [self._requests.decode(event) for (event,) in await self.rows(statement, values)]

    async def rows(self, statement: str, values: Mapping[str, object]) -> list[tuple[Any, ...]]:
        """Return the rows of a query; *values* fill `%(name)s`. Raises `DecisionLogUnavailableError`."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, self._execute, statement, values)
        except _AWAY as error:
            raise DecisionLogUnavailableError(str(error)) from error
        except ServerException as error:
            if error.code not in _OVERLOADED:
                raise
            raise DecisionLogUnavailableError(f"code {error.code}") from error

    def _execute(self, statement: str, values: Mapping[str, object]) -> list[tuple[Any, ...]]:
        rows: list[tuple[Any, ...]] = self._client().execute(
            statement, dict(values), settings={"max_execution_time": max(1, round(self._timeout_s))}
        )
        return rows

    def _client(self) -> Client:
        client = getattr(self._local, "client", None)
        if client is None:
            client = self._local.client = Client.from_url(self._url)
            # Set on the connection: a URL may carry timeouts of its own, which hold for long-running services only.
            client.connection.connect_timeout = min(3.0, self._timeout_s)
            client.connection.send_receive_timeout = self._timeout_s
            self._clients.append(client)
        return client


def _where(filters: Filters, at: Position | None, beyond: str) -> tuple[str, dict[str, object]]:
    values: dict[str, object] = {"tenant": filters.tenant}
    conditions = ["tenant = %(tenant)s"]
    for name, condition in _CONDITIONS.items():
        value = getattr(filters, name)
        if value is not None:
            conditions.append(condition)
            values[name] = value
    if at is not None:
        conditions.append(beyond)
        values |= {"at_ms": at.created_at_ms, "at_id": at.request_id}
    return " AND ".join(conditions), values
