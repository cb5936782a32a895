"""The ClickHouse engine in this process: one chdb session on one data directory, used by one thread."""

import asyncio
import fcntl
import json
import re
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO, Any, Protocol, TypeVar

from chdb import ChdbError
from chdb.session import Session

LOCK_FILE = "embedded-server.lock"
DEFAULT_DATABASE = "default"
UNKNOWN_ERROR = 1002
UNKNOWN_SETTING = 115
# Parameters are substituted into the text by the driver, so that a statement can be as large as its data.
MAX_QUERY_SIZE_BYTES = 1 << 30
error_code = re.compile(r"Code: (\d+)\. (?:DB::Exception: )?")

T = TypeVar("T")


class _Session(Protocol):
    """The part of chdb's session that is used; chdb brings no types of its own."""

    def query(self, sql: str, fmt: str) -> Any: ...

    def send_insert(self, query: str, fmt: str) -> Any: ...

    def close(self) -> None: ...


class DirectoryInUseError(Exception):
    """Another process has the data directory open; chdb allows one process per directory."""


class EngineError(Exception):
    """A statement failed: ClickHouse's error code and message."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class ChdbEngine:
    """Runs statements one after another on a thread of its own; each sees its database and settings only."""

    def __init__(self, path: Path) -> None:
        self._lock = _lock(path)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="chdb")
        self._database = DEFAULT_DATABASE
        self._session = self._thread.submit(_open, path).result()

    async def timezone(self) -> str:
        """Return the zone in which the engine reads and prints times."""
        rows = await self.rows("SELECT timezone()")
        return rows[0][0]

    async def use(self, database: str) -> None:
        """Make `database` current; raises EngineError when there is none of that name."""
        await self._in_thread(lambda: self._use(database))

    async def execute(self, text: str, *, database: str, settings: Mapping[str, str]) -> bytes:
        """Run a statement and return its rows as Native blocks, empty when it has none."""
        return await self._in_thread(lambda: self._with(database, settings, lambda: self._query(text, "Native")))

    async def insert(self, target: str, blocks: Sequence[bytes], *, database: str, settings: Mapping[str, str]) -> None:
        """Insert Native blocks in one go: all of their rows or none."""
        await self._in_thread(lambda: self._with(database, settings, lambda: self._insert(target, blocks)))

    async def describe(self, query: str, *, database: str) -> list[tuple[str, str]]:
        """Return the (name, type) of each column of a query without running it."""
        rows = await self.rows(f"DESCRIBE TABLE ({query})", database=database)
        return [(row[0], row[1]) for row in rows]

    async def rows(self, text: str, *, database: str = DEFAULT_DATABASE) -> list[list[str]]:
        """Run a small query and return its values as texts."""
        data = await self._in_thread(lambda: self._with(database, {}, lambda: self._query(text, "JSONCompactStrings")))
        rows: list[list[str]] = json.loads(data)["data"]
        return rows

    async def close(self) -> None:
        """Finish the statement that runs, write everything out and give the directory free."""
        await self._in_thread(self._session.close)
        self._thread.shutdown()
        self._lock.close()

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def _with(self, database: str, settings: Mapping[str, str], work: Callable[[], T]) -> T:
        self._use(database)
        applied: list[str] = []
        try:
            for name, value in settings.items():
                self._query(f"SET {_identifier(name)} = '{_escaped(value)}'")
                applied.append(name)
            return work()
        finally:
            for name in applied:
                self._query(f"SET {name} = DEFAULT")

    def _use(self, database: str) -> None:
        if database != self._database:
            self._query(f"USE `{_escaped(database)}`")
            self._database = database

    def _query(self, text: str, output: str = "Null") -> bytes:
        try:
            return self._session.query(text, output).bytes() or b""
        except ChdbError as error:
            raise _engine_error(str(error)) from error

    def _insert(self, target: str, blocks: Sequence[bytes]) -> None:
        # Not chdb's streaming insert, which passes by constraints and the errors of materialized views.
        with NamedTemporaryFile(suffix=".native") as rows:
            rows.writelines(blocks)
            rows.flush()
            self._query(f"{target} FROM INFILE '{_escaped(rows.name)}' FORMAT Native")


def _open(path: Path) -> _Session:
    session: _Session = Session(str(path))  # type: ignore[no-untyped-call]
    # DateTime columns without a zone mean UTC, whatever the machine's zone.
    session.query("SET session_timezone = 'UTC'", "Null")
    # A statement that is not SQL is an error, as on a server, instead of a list of expressions to select.
    session.query("SET implicit_select = 0", "Null")
    session.query(f"SET max_query_size = {MAX_QUERY_SIZE_BYTES}", "Null")
    return session


def _lock(path: Path) -> IO[str]:
    path.mkdir(parents=True, exist_ok=True)
    lock = (path / LOCK_FILE).open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        lock.close()
        raise DirectoryInUseError(f"{path} is open in another process; stop that one or choose another path") from error
    return lock


def _engine_error(text: str) -> EngineError:
    match = error_code.search(text)
    return EngineError(int(match[1]), text[match.end() :]) if match else EngineError(UNKNOWN_ERROR, text)


def _identifier(name: str) -> str:
    if not name.isidentifier():
        raise EngineError(UNKNOWN_SETTING, f"Unknown setting '{name}'")
    return name


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("'", "\\'").replace("`", "\\`")
