"""The journal's file format: one checksummed frame per event."""

import struct
from collections.abc import Iterator
from typing import NamedTuple
from zlib import crc32

from libs.kafka.record import Message

# Length and checksum of the body; then, in the body: timestamp in ms, length of the topic, length of the key.
_HEAD = struct.Struct("<II")
_BODY = struct.Struct("<QHI")


class FrameError(Exception):
    """Bytes that are no frame: torn by a crash, or damaged."""


class Framed(NamedTuple):
    """One event and the offset behind its frame."""

    message: Message
    end: int


def encode(topic: str, key: bytes, value: bytes, timestamp_ms: int) -> bytes:
    """Return one event as a frame."""
    name = topic.encode()
    body = b"".join((_BODY.pack(timestamp_ms, len(name), len(key)), name, key, value))
    return _HEAD.pack(len(body), crc32(body)) + body


def frame_length(buffer: bytes, offset: int) -> int | None:
    """Return the length of the frame at *offset*, or None when its head is incomplete."""
    if len(buffer) - offset < _HEAD.size:
        return None
    length: int = _HEAD.unpack_from(buffer, offset)[0]
    return _HEAD.size + length


def decode(buffer: bytes) -> Iterator[Framed]:
    """Yield the complete frames of *buffer*; raises `FrameError` at one whose checksum or lengths are wrong."""
    offset = 0
    while (length := frame_length(buffer, offset)) is not None and offset + length <= len(buffer):
        yield Framed(_message(buffer, offset, length), offset + length)
        offset += length


def _message(buffer: bytes, offset: int, length: int) -> Message:
    body = buffer[offset + _HEAD.size : offset + length]
    # A file system may leave zeros behind a crash: the checksum of nothing is zero, so length is judged first.
    if len(body) < _BODY.size or crc32(body) != _HEAD.unpack_from(buffer, offset)[1]:
        raise FrameError("checksum")
    timestamp_ms, topic_length, key_length = _BODY.unpack_from(body)
    key_at = _BODY.size + topic_length
    value_at = key_at + key_length
    if value_at > len(body):
        raise FrameError("lengths")
    return Message(
        topic=body[_BODY.size : key_at].decode(),
        key=body[key_at:value_at],
        value=body[value_at:],
        timestamp_ms=timestamp_ms,
    )
