"""ClickHouse's native TCP protocol at revision 54440: the packets a driver sends and those it is answered with."""

import struct
from asyncio import IncompleteReadError, StreamReader
from collections.abc import Callable
from typing import TypeVar

import msgspec

from deploy.local.native_format import Buffer, IncompleteBlockError, column_end, read_string, read_varint

# The highest revision before the interserver secret: settings already travel as text, blocks still have no per-column
# serialisation flags, so that what chdb writes as Native is what goes on the wire.
REVISION = 54440
VERSION = (26, 9, 2)
CLIENT_HELLO, CLIENT_QUERY, CLIENT_DATA, CLIENT_CANCEL, CLIENT_PING = range(5)
SERVER_HELLO, SERVER_DATA, SERVER_EXCEPTION, _PROGRESS, SERVER_PONG, SERVER_END_OF_STREAM = range(6)
BLOCK_INFO = b"\x01\x00\x02\xff\xff\xff\xff\x00"
READ_SIZE_BYTES = 1 << 20

T = TypeVar("T")


class ProtocolError(Exception):
    """The client sent what this server cannot answer in the protocol; the connection cannot go on."""


class Hello(msgspec.Struct, frozen=True, kw_only=True):
    """The first packet of a connection."""

    database: str
    user: str


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """One statement with the settings that hold for it alone."""

    text: str
    settings: dict[str, str]
    compressed: bool


class Block(msgspec.Struct, frozen=True, kw_only=True):
    """A block of rows in Native format, as it came: `data` can be handed to the engine unread."""

    columns: int
    rows: int
    data: bytes


class PacketReader:
    """Reads protocol values from a stream; raises `IncompleteReadError` when the client is gone."""

    def __init__(self, stream: StreamReader) -> None:
        self._stream = stream
        self._buffer = bytearray()
        self._start = 0

    async def varint(self) -> int:
        """Read a number."""
        return await self._take(read_varint)

    async def string(self) -> str:
        """Read a length-prefixed text."""
        return await self._take(read_string)

    async def skip(self, size: int) -> None:
        """Pass over `size` bytes."""
        await self._take(lambda _data, start: (None, start + size))

    async def hello(self) -> Hello:
        """Read the rest of the greeting, after its packet number."""
        await self.string()
        for _ in range(3):
            await self.varint()
        hello = Hello(database=await self.string(), user=await self.string())
        await self.string()
        return hello

    async def query(self) -> Query:
        """Read the rest of a query packet; the empty block that ends it is read too unless it is compressed."""
        await self.string()
        await self._client_info()
        settings = await self._settings()
        await self.varint()
        compressed = bool(await self.varint())
        text = await self.string()
        if not compressed:
            await self._expect_end_of_tables()
        return Query(text=text, settings=settings, compressed=compressed)

    async def block(self) -> Block:
        """Read the rest of a data packet."""
        await self.string()
        await self._block_info()
        columns, rows = await self.varint(), await self.varint()
        data = bytearray(varint(columns) + varint(rows))
        for _ in range(columns):
            name, type_name = await self.string(), await self.string()
            data += string(name) + string(type_name) + await self._column(type_name, rows)
        return Block(columns=columns, rows=rows, data=bytes(data))

    async def _client_info(self) -> None:
        await self.skip(1)
        for _ in range(3):
            await self.string()
        await self.skip(1)
        for _ in range(3):
            await self.string()
        for _ in range(3):
            await self.varint()
        await self.string()
        await self.varint()

    async def _settings(self) -> dict[str, str]:
        settings = {}
        while name := await self.string():
            await self.skip(1)
            settings[name] = await self.string()
        return settings

    async def _expect_end_of_tables(self) -> None:
        if await self.varint() != CLIENT_DATA or (await self.block()).columns:
            raise ProtocolError("external tables are not supported by the embedded ClickHouse")

    async def _block_info(self) -> None:
        while field := await self.varint():
            await self.skip(1 if field == 1 else 4)

    async def _column(self, type_name: str, rows: int) -> bytes:
        def column(data: Buffer, start: int) -> tuple[bytes, int]:
            end = column_end(data, start, rows, type_name)
            return bytes(data[start:end]), end

        return await self._take(column)

    async def _take(self, read: Callable[[Buffer, int], tuple[T, int]]) -> T:
        while True:
            try:
                value, end = read(self._buffer, self._start)
            except IncompleteBlockError:
                await self._fill()
                continue
            if end <= len(self._buffer):
                self._start = end
                return value
            await self._fill()

    async def _fill(self) -> None:
        del self._buffer[: self._start]
        self._start = 0
        chunk = await self._stream.read(READ_SIZE_BYTES)
        if not chunk:
            raise IncompleteReadError(bytes(self._buffer), None)
        self._buffer += chunk


def varint(value: int) -> bytes:
    """Encode a number."""
    out = bytearray()
    while value >= 0x80:  # noqa: PLR2004 - seven bits a byte
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def string(text: str) -> bytes:
    """Encode a text."""
    data = text.encode()
    return varint(len(data)) + data


def hello_packet(timezone: str) -> bytes:
    """Answer a greeting."""
    major, minor, patch = VERSION
    numbers = varint(major) + varint(minor) + varint(REVISION)
    return varint(SERVER_HELLO) + string("ClickHouse") + numbers + string(timezone) + string("embedded") + varint(patch)


def data_packet(block: Buffer) -> bytes:
    """Send a block of rows in Native format."""
    return varint(SERVER_DATA) + string("") + BLOCK_INFO + bytes(block)


def header_packet(columns: list[tuple[str, str]]) -> bytes:
    """Send the names and types of columns, without rows."""
    described = b"".join(string(name) + string(type_name) for name, type_name in columns)
    return data_packet(varint(len(columns)) + varint(0) + described)


def exception_packet(code: int, message: str) -> bytes:
    """End a query with an error."""
    return (
        varint(SERVER_EXCEPTION)
        + struct.pack("<i", code)
        + string("DB::Exception")
        + string(message)
        + string("")
        + b"\0"
    )


def pong_packet() -> bytes:
    """Answer a ping."""
    return varint(SERVER_PONG)


def end_of_stream_packet() -> bytes:
    """End a query that succeeded."""
    return varint(SERVER_END_OF_STREAM)
