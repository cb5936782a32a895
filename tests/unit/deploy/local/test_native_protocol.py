"""Packets are read whole, however the network cuts them."""

import asyncio
from asyncio import IncompleteReadError, StreamReader

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.local.native_protocol import BLOCK_INFO, Block, PacketReader, ProtocolError, Query, string, varint

DATA_PACKET = varint(2)
BLOCK = (
    varint(2) + varint(3) + string("s") + string("String") + string("a") * 3 + string("n") + string("UInt8") + b"123"
)
EMPTY_BLOCK = string("") + BLOCK_INFO + varint(0) + varint(0)
CLIENT_INFO = b"\x01" + string("") * 3 + b"\x01" + string("") * 3 + varint(1) * 3 + string("") + varint(0)


def query_packet(*, compressed: int = 0, table: bytes = EMPTY_BLOCK) -> bytes:
    settings = string("max_threads") + b"\x01" + string("3") + string("")
    return (
        string("id")
        + CLIENT_INFO
        + settings
        + varint(2)
        + varint(compressed)
        + string("SELECT 1")
        + DATA_PACKET
        + table
    )


def reader(*pieces: bytes) -> PacketReader:
    stream = StreamReader()
    for piece in pieces:
        stream.feed_data(piece)
    stream.feed_eof()
    return PacketReader(stream)


@given(st.integers(0, len(BLOCK)))
def test_a_block_is_handed_on_as_it_came(cut: int):
    async def read() -> Block:
        stream = StreamReader()
        packets = PacketReader(stream)
        stream.feed_data(string("") + BLOCK_INFO + BLOCK[:cut])
        block = asyncio.ensure_future(packets.block())
        await asyncio.sleep(0)
        stream.feed_data(BLOCK[cut:] + b"next packet")
        return await block

    assert Block(columns=2, rows=3, data=BLOCK) == asyncio.run(read())


async def test_a_query_comes_with_its_settings():
    assert (
        Query(text="SELECT 1", settings={"max_threads": "3"}, compressed=False) == await reader(query_packet()).query()
    )


async def test_an_external_table_is_refused():
    with pytest.raises(ProtocolError, match="external tables"):
        await reader(query_packet(table=string("") + BLOCK_INFO + BLOCK)).query()


async def test_compressed_data_is_left_unread():
    assert (await reader(query_packet(compressed=1, table=b"")).query()).compressed


async def test_a_client_that_leaves_in_the_middle_is_noticed():
    with pytest.raises(IncompleteReadError):
        await reader(query_packet()[:20]).query()
