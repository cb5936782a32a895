"""The pipelined connection: replies meet their questions, and an outage of any kind is an error at once, then over."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Self

import hiredis
import pytest
from redis.asyncio import Redis

from services.gateway.adapters.redis_wire import MAX_SILENCES, RedisAwayError, RedisWire, parse_address
from tests.integration.services.gateway.conftest import eventually


@pytest.fixture
async def wire(redis_url: str) -> AsyncIterator[RedisWire]:
    wire = RedisWire(parse_address(redis_url), timeout_s=1.0, retry_s=0.01)
    await wire.start()
    yield wire
    await wire.close()


async def test_parallel_questions_get_their_own_answers(wire: RedisWire):
    async def ask(number: int) -> object:
        return await wire.ask([("SET", f"n{number}", number), ("GET", f"n{number}"), ("ECHO", b"\x00" * number)])

    answers = await asyncio.gather(*(ask(number) for number in range(200)))
    assert [[b"OK", b"%d" % number, b"\x00" * number] for number in range(200)] == answers


async def test_an_error_reply_stands_in_its_place(wire: RedisWire):
    first, error, last = await wire.ask([("ECHO", "a"), ("NOSUCHCOMMAND",), ("ECHO", "b")])
    assert (b"a", b"b") == (first, last)
    assert isinstance(error, hiredis.ReplyError)


async def test_a_cancelled_question_does_not_shift_the_answers_of_others(wire: RedisWire):
    asking = asyncio.create_task(wire.ask([("ECHO", "mine")]))
    await asyncio.sleep(0)
    asking.cancel()
    assert [b"yours"] == await wire.ask([("ECHO", "yours")])


async def test_a_lost_connection_is_made_again(wire: RedisWire, redis_url: str):
    async with Redis.from_url(redis_url) as redis:
        await redis.client_kill_filter(_type="normal", skipme=True)

    async def answers() -> bool:
        try:
            return [b"x"] == await wire.ask([("ECHO", "x")])
        except RedisAwayError:
            return False

    await eventually(answers)


async def test_nobody_there_is_an_error_at_once_until_somebody_is(redis_url: str):
    relay = Relay(redis_url)
    wire = RedisWire(parse_address("redis://127.0.0.1:1/0"), timeout_s=1.0, retry_s=0.01)
    await wire.start()
    with pytest.raises(RedisAwayError):
        await wire.ask([("PING",)])
    await wire.close()
    async with relay:
        wire = RedisWire(parse_address(relay.url), timeout_s=0.1, retry_s=0.01)
        await wire.start()
        assert [b"x"] == await wire.ask([("ECHO", "x")])
        relay.silent = True
        for _ in range(MAX_SILENCES):
            with pytest.raises(RedisAwayError, match="in time"):
                await wire.ask([("ECHO", "x")])
        relay.silent = False

        async def back() -> bool:
            return wire.connected

        await eventually(back)
        assert [b"y"] == await wire.ask([("ECHO", "y")])
        await wire.close()


async def test_a_wrong_password_is_no_connection(redis_url: str):
    address = parse_address(redis_url.replace("redis://", "redis://nobody:wrong@"))
    wire = RedisWire(address, timeout_s=0.5, retry_s=0.01)
    await wire.start()
    assert not wire.connected
    await wire.close()


class Relay:
    """A Redis that can fall silent: bytes pass until `silent`, then they are swallowed."""

    def __init__(self, redis_url: str) -> None:
        self._target = parse_address(redis_url)
        self.silent = False
        self.url = ""
        self._writers: list[asyncio.StreamWriter] = []
        self._copying: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"redis://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/{self._target.database}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for writer in self._writers:
            writer.close()
        for writer in self._writers:
            with suppress(OSError):
                await writer.wait_closed()
        await asyncio.wait(self._copying)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(self._target.host, self._target.port)
        self._writers += [writer, back]
        for source, target in ((reader, back), (there, writer)):
            self._copying.append(asyncio.create_task(self._copy(source, target)))

    async def _copy(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        while data := await source.read(65_536):
            if not self.silent:
                target.write(data)
        target.close()
