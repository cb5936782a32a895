"""A Redis connection for the hot path: commands of all requests in one event-loop turn leave in one write."""

import asyncio
import contextlib
import ssl
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, cast
from urllib.parse import unquote, urlsplit

import hiredis
import msgspec

Argument = str | bytes | int
Command = tuple[Argument, ...]
MAX_PENDING = 10_000
MAX_SILENCES = 3  # Answers in a row that did not come in time, until the connection is given up.
GRACE_S = 0.005


class RedisAwayError(Exception):
    """No connection, or no answer in time; whether the commands took effect is unknown."""


class RedisAddress(msgspec.Struct, frozen=True, kw_only=True):
    """Where Redis is and how to log in."""

    host: str = "127.0.0.1"
    port: int = 6379
    path: str | None = None
    username: str | None = None
    password: str | None = None
    database: int = 0
    tls: bool = False


def parse_address(url: str) -> RedisAddress:
    """Read `redis://[user:password@]host:port/db`, `rediss://…` or `unix:///path?db=n`."""
    parts = urlsplit(url)
    if parts.scheme == "unix":
        return RedisAddress(
            path=parts.path,
            database=int(parts.query.removeprefix("db=") or 0),
            username=_unquoted(parts.username),
            password=_unquoted(parts.password),
        )
    if parts.scheme not in ("redis", "rediss"):
        raise ValueError(f"a Redis address begins with redis://, rediss:// or unix://, not {parts.scheme}://")
    return RedisAddress(
        host=parts.hostname or "127.0.0.1",
        port=parts.port or 6379,
        database=int(parts.path.strip("/") or 0),
        tls=parts.scheme == "rediss",
        username=_unquoted(parts.username),
        password=_unquoted(parts.password),
    )


class RedisWire:
    """
    One pipelined connection that comes back by itself.

    While Redis is away each use fails at once; one attempt to connect runs per *retry_s*. Answers are bytes, and an error
    reply stands in its place as `hiredis.ReplyError`.
    """

    def __init__(self, address: RedisAddress, *, timeout_s: float, retry_s: float = 0.5) -> None:
        self._address = address
        self._timeout_s = timeout_s
        self._retry_s = retry_s
        self._protocol: _Protocol | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._closed = False

    async def start(self) -> None:
        """Try to connect once; when Redis is away, go on trying in the background."""
        self._reconnect()
        if self._connecting is not None:
            await asyncio.wait([self._connecting], timeout=self._timeout_s)

    async def close(self) -> None:
        """Send what was left to send, and hang up."""
        self._closed = True
        if self._connecting is not None:
            self._connecting.cancel()
            await asyncio.wait([self._connecting])
        if self._protocol is not None:
            self._protocol.hang_up()

    @property
    def connected(self) -> bool:
        """Say whether commands can be sent now."""
        return self._protocol is not None and self._protocol.open

    async def ask(self, commands: Sequence[Command]) -> list[Any]:
        """Return the replies to *commands*, in order; raises `RedisAwayError`."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[list[Any]] = loop.create_future()
        protocol = self._usable()
        protocol.send(commands, lambda replies: _resolve(future, replies))
        timer = loop.call_later(self._timeout_s, self._expire, protocol, future)
        try:
            return await future
        finally:
            timer.cancel()

    def tell(self, commands: Sequence[Command], on_reply: Callable[[list[Any] | None], None]) -> None:
        """Send *commands* without waiting; *on_reply* gets the replies, or None when they were lost."""
        try:
            self._usable().send(commands, on_reply)
        except RedisAwayError:
            on_reply(None)

    def _usable(self) -> "_Protocol":
        protocol = self._protocol
        if protocol is None or not protocol.open or protocol.crowded:
            self._reconnect()
            raise RedisAwayError("not connected")
        return protocol

    def _expire(self, protocol: "_Protocol", future: asyncio.Future[list[Any]], *, grace: bool = True) -> None:
        """Fail *future* unless its reply was only waiting for a stalled loop to read it."""
        if future.done():
            return
        if grace:
            asyncio.get_running_loop().call_later(GRACE_S, partial(self._expire, protocol, future, grace=False))
            return
        future.set_exception(RedisAwayError("no answer in time"))
        protocol.silences += 1
        if protocol.silences >= MAX_SILENCES:
            protocol.hang_up()
            self._reconnect()

    def _reconnect(self) -> None:
        if not self._closed and (self._connecting is None or self._connecting.done()) and not self.connected:
            self._connecting = asyncio.get_running_loop().create_task(self._connect())

    async def _connect(self) -> None:
        while not self._closed:
            with contextlib.suppress(OSError, TimeoutError, RedisAwayError):
                async with asyncio.timeout(self._timeout_s):
                    self._protocol = await self._open()
                return
            await asyncio.sleep(self._retry_s)

    async def _open(self) -> "_Protocol":
        loop = asyncio.get_running_loop()
        address = self._address
        if address.path is not None:
            _, protocol = await loop.create_unix_connection(self._new_protocol, address.path)
        else:
            context = ssl.create_default_context() if address.tls else None
            _, protocol = await loop.create_connection(self._new_protocol, address.host, address.port, ssl=context)
        try:
            await self._log_in(protocol)
        except BaseException:
            protocol.hang_up()
            raise
        return protocol

    def _new_protocol(self) -> "_Protocol":
        return _Protocol(self._reconnect)

    async def _log_in(self, protocol: "_Protocol") -> None:
        address = self._address
        commands: list[Command] = [("PING",), ("SELECT", address.database)]
        if address.password is not None:
            login = (address.username, address.password) if address.username else (address.password,)
            commands.insert(0, ("AUTH", *login))
        future: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()
        protocol.send(commands, lambda replies: _resolve(future, replies))
        if any(isinstance(reply, hiredis.ReplyError) for reply in await future):
            raise RedisAwayError("Redis refuses the login")


class _Protocol(asyncio.Protocol):
    """One connection: a queue of what is owed, and a buffer that is flushed once per turn of the loop."""

    def __init__(self, on_lost: Callable[[], None]) -> None:
        self.open = False
        self.silences = 0
        self._on_lost = on_lost
        self._reader = hiredis.Reader()
        self._owed: deque[tuple[int, Callable[[list[Any] | None], Any]]] = deque()
        self._replies: list[Any] = []
        self._outgoing: list[bytes] = []
        self._transport: asyncio.Transport | None = None

    @property
    def crowded(self) -> bool:
        return len(self._owed) >= MAX_PENDING

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self.open = True

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self.open = False
        owed, self._owed = self._owed, deque()
        for _, on_reply in owed:
            on_reply(None)
        self._on_lost()

    def data_received(self, data: bytes) -> None:
        self.silences = 0
        self._reader.feed(data)
        while (reply := self._reader.gets()) is not False:
            self._replies.append(reply)
            if len(self._replies) == self._owed[0][0]:
                replies, self._replies = self._replies, []
                self._owed.popleft()[1](replies)

    def send(self, commands: Sequence[Command], on_reply: Callable[[list[Any] | None], Any]) -> None:
        if not self._outgoing:
            asyncio.get_running_loop().call_soon(self._flush)
        self._outgoing.extend(hiredis.pack_command(cast(Any, command)) for command in commands)
        self._owed.append((len(commands), on_reply))

    def hang_up(self) -> None:
        self._flush()
        self.open = False
        if self._transport is not None:
            self._transport.close()

    def _flush(self) -> None:
        if self._outgoing and self._transport is not None and not self._transport.is_closing():
            self._transport.write(b"".join(self._outgoing))
        self._outgoing.clear()


def _resolve(future: asyncio.Future[list[Any]], replies: list[Any] | None) -> None:
    if future.done():
        return
    if replies is None:
        future.set_exception(RedisAwayError("the connection was lost"))
    else:
        future.set_result(replies)


def _unquoted(text: str | None) -> str | None:
    return None if text is None else unquote(text)
