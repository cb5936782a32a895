"""
A development ClickHouse server: the native TCP protocol in front of chdb, for an unmodified clickhouse-driver.

Statements of all clients run one after another; compression, external tables and Dynamic/JSON columns are refused.
"""

import argparse
import asyncio
import signal
import sys
from pathlib import Path

import structlog

from deploy.local import native_protocol as wire
from deploy.local.engine import DEFAULT_DATABASE, ChdbEngine, DirectoryInUseError, EngineError
from deploy.local.native_format import UnsupportedTypeError, split_blocks
from deploy.local.statements import Insert, parse_insert, parse_use, returns_rows, without_format

NOT_IMPLEMENTED = 48
STREAM_LIMIT_BYTES = 4 << 20
MAX_INSERT_BYTES = 1 << 30

log = structlog.get_logger()


def main() -> None:
    """Serve until SIGTERM or SIGINT; exit 1 when the data directory is open elsewhere."""
    arguments = _arguments()
    try:
        asyncio.run(serve(arguments.host, arguments.port, arguments.path))
    except DirectoryInUseError as error:
        sys.exit(f"clickhouse: {error}")


async def serve(host: str, port: int, path: Path) -> None:
    """Open the engine, then listen until the process is told to stop."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    engine = ChdbEngine(path)
    try:
        clients = ClickHouseServer(engine, await engine.timezone())
        async with await asyncio.start_server(clients.connected, host, port, limit=STREAM_LIMIT_BYTES):
            log.info("clickhouse.listening", host=host, port=port, path=str(path))
            await stop.wait()
            await clients.close()
    finally:
        await engine.close()


class ClickHouseServer:
    """Gives every connection a session of its own and ends them all on close."""

    def __init__(self, engine: ChdbEngine, timezone: str) -> None:
        self._engine = engine
        self._timezone = timezone
        self._sessions: set[asyncio.Task[None]] = set()

    def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one client in the background."""
        task = asyncio.create_task(self._serve(reader, writer))
        self._sessions.add(task)
        task.add_done_callback(self._sessions.discard)

    async def close(self) -> None:
        """Disconnect every client; a statement that runs in the engine finishes there."""
        for task in self._sessions:
            task.cancel()
        await asyncio.gather(*self._sessions, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await ClientSession(self._engine, wire.PacketReader(reader), writer).run(self._timezone)
        except (asyncio.IncompleteReadError, ConnectionError):
            log.debug("clickhouse.client_left")
        except (wire.ProtocolError, UnsupportedTypeError) as error:
            writer.write(wire.exception_packet(NOT_IMPLEMENTED, str(error)))
            log.warning("clickhouse.client_refused", reason=str(error))
        finally:
            writer.close()


class ClientSession:
    """One client's conversation: greeting, then queries, inserts and pings until it leaves."""

    def __init__(self, engine: ChdbEngine, reader: wire.PacketReader, writer: asyncio.StreamWriter) -> None:
        self._engine = engine
        self._reader = reader
        self._writer = writer
        self._database = DEFAULT_DATABASE

    async def run(self, timezone: str) -> None:
        """Talk until the client leaves, which shows as IncompleteReadError or ConnectionError."""
        if await self._reader.varint() != wire.CLIENT_HELLO:
            raise wire.ProtocolError("the first packet is not a greeting")
        await self._greet(await self._reader.hello(), timezone)
        while True:
            await self._answer(await self._reader.varint())

    async def _greet(self, hello: wire.Hello, timezone: str) -> None:
        self._database = hello.database or DEFAULT_DATABASE
        try:
            await self._engine.use(self._database)
        except EngineError as error:
            await self._send(wire.exception_packet(error.code, error.message))
            raise ConnectionAbortedError from error
        await self._send(wire.hello_packet(timezone))

    async def _answer(self, packet: int) -> None:
        if packet == wire.CLIENT_PING:
            await self._send(wire.pong_packet())
        elif packet == wire.CLIENT_QUERY:
            await self._answer_query(await self._reader.query())
        elif packet != wire.CLIENT_CANCEL:
            raise wire.ProtocolError(f"unexpected packet {packet}")

    async def _answer_query(self, query: wire.Query) -> None:
        if query.compressed:
            raise wire.ProtocolError("compression is not supported by the embedded ClickHouse")
        try:
            insert = parse_insert(query.text)
            await (self._insert(insert, query) if insert else self._execute(query))
        except EngineError as error:
            await self._send(wire.exception_packet(error.code, error.message))
        else:
            await self._send(wire.end_of_stream_packet())

    async def _execute(self, query: wire.Query) -> None:
        text = without_format(query.text)
        rows = await self._engine.execute(text, database=self._database, settings=query.settings)
        self._database = parse_use(text) or self._database
        if not rows and returns_rows(text):
            await self._send(wire.header_packet(await self._engine.describe(text, database=self._database)))
        for block in split_blocks(rows):
            await self._send(wire.data_packet(block))

    async def _insert(self, insert: Insert, query: wire.Query) -> None:
        columns = await self._engine.describe(insert.sample, database=self._database)
        await self._send(wire.header_packet(columns))
        blocks = await self._receive_blocks()
        await self._engine.insert(insert.target, blocks, database=self._database, settings=query.settings)

    async def _receive_blocks(self) -> list[bytes]:
        blocks: list[bytes] = []
        while True:
            if await self._reader.varint() != wire.CLIENT_DATA:
                raise wire.ProtocolError("an insert was not followed by its data")
            block = await self._reader.block()
            if not block.columns:
                return blocks
            blocks.append(block.data)
            if sum(map(len, blocks)) > MAX_INSERT_BYTES:
                raise wire.ProtocolError(f"an insert is larger than {MAX_INSERT_BYTES} bytes")

    async def _send(self, packet: bytes) -> None:
        self._writer.write(packet)
        await self._writer.drain()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m deploy.local.clickhouse", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--path", type=Path, required=True)
    return parser.parse_args()


if __name__ == "__main__":
    main()
