"""ClickHouse over its native protocol: a blocking driver kept on a few threads of its own."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar
from urllib.parse import urlencode, urlsplit, urlunsplit

from clickhouse_driver import Client
from clickhouse_driver.errors import NetworkError, SocketTimeoutError

from services.aggregator.ports import LogUnavailableError

T = TypeVar("T")
Rows = Sequence[tuple[Any, ...]]

UNAVAILABLE = (NetworkError, SocketTimeoutError, EOFError, OSError)


class ClickHouseClient:
    """One connection per thread; every call raises `LogUnavailableError` while the server is away."""

    def __init__(self, url: str, *, threads: int = 2, connect_timeout_s: float = 3.0, timeout_s: float = 60.0) -> None:
        self._url = _with_timeouts(url, connect_timeout_s, timeout_s)
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="clickhouse")
        self._local = threading.local()
        self._clients: list[Client] = []

    async def ping(self) -> None:
        """Return when the server answers."""
        await self.query("SELECT 1")

    async def execute(self, statement: str) -> None:
        """Run a statement without a result."""
        await self._run(lambda client: client.execute(statement))

    async def query(self, statement: str, parameters: Mapping[str, object] | None = None) -> Rows:
        """Return the rows of a query; *parameters* fill `%(name)s`."""
        return await self._run(lambda client: client.execute(statement, dict(parameters) if parameters else None))

    async def insert(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """Store *rows* in one block, all or none."""
        statement = f"INSERT INTO {table} ({', '.join(columns)}) VALUES"
        await self._run(lambda client: client.execute(statement, list(rows), types_check=False))

    async def stream(
        self, statement: str, parameters: Mapping[str, object] | None = None, *, chunk: int
    ) -> AsyncIterator[Rows]:
        """Yield the rows of a query in chunks, on a connection of their own."""
        client = Client.from_url(self._url)
        settings = {"max_block_size": chunk}
        try:
            rows = await self._on_thread(
                lambda: client.execute_iter(statement, dict(parameters or {}), settings=settings, chunk_size=chunk)
            )
            while found := await self._on_thread(lambda: _next(rows)):
                yield found
        finally:
            client.disconnect()

    async def close(self) -> None:
        """Finish what runs and disconnect."""
        await asyncio.to_thread(self._threads.shutdown, wait=True)
        for client in self._clients:
            client.disconnect()

    async def _run(self, call: Callable[[Client], T]) -> T:
        return await self._on_thread(lambda: call(self._client()))

    async def _on_thread(self, call: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, call)
        except UNAVAILABLE as error:
            raise LogUnavailableError(f"ClickHouse is away: {error}") from error

    def _client(self) -> Client:
        client = getattr(self._local, "client", None)
        if client is None:
            client = self._local.client = Client.from_url(self._url)
            self._clients.append(client)
        return client


def _next(chunks: Iterator[Rows]) -> Rows | None:
    return next(chunks, None)


def _with_timeouts(url: str, connect_timeout_s: float, timeout_s: float) -> str:
    parts = urlsplit(url)
    options = urlencode({"connect_timeout": connect_timeout_s, "send_receive_timeout": timeout_s})
    return urlunsplit(parts._replace(query=f"{parts.query}&{options}" if parts.query else options))
