"""A frame comes back as it was written, and damage is seen for what it is."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.kafka.frames import FrameError, decode, encode
from libs.kafka.record import Message

messages = st.builds(
    Message,
    topic=st.text(st.characters(codec="utf-8"), max_size=20),
    key=st.binary(max_size=40),
    value=st.binary(max_size=200),
    timestamp_ms=st.integers(0, 2**63),
)


def encoded(message: Message) -> bytes:
    return encode(message.topic, message.key, message.value, message.timestamp_ms)


def decoded(buffer: bytes) -> list[Message]:
    found = []
    with contextlib.suppress(FrameError):
        found.extend(framed.message for framed in decode(buffer))
    return found


@given(st.lists(messages, max_size=5))
def test_frames_come_back_as_they_were_written(written):
    assert written == [framed.message for framed in decode(b"".join(map(encoded, written)))]


@given(st.lists(messages, min_size=1, max_size=5), st.data())
def test_a_cut_leaves_whole_frames_only(written, data):
    buffer = b"".join(map(encoded, written))
    found = decoded(buffer[: data.draw(st.integers(0, len(buffer) - 1))])
    assert len(found) < len(written)
    assert written[: len(found)] == found


@given(st.lists(messages, min_size=1, max_size=5), st.data())
def test_a_changed_byte_ends_what_is_readable(written, data):
    buffer = bytearray(b"".join(map(encoded, written)))
    buffer[data.draw(st.integers(0, len(buffer) - 1))] ^= data.draw(st.integers(1, 255))
    found = decoded(bytes(buffer))
    assert len(found) < len(written)
    assert written[: len(found)] == found


@pytest.mark.parametrize("size", [8, 22, 4096])
def test_zeros_that_a_crash_left_are_no_frame(size):
    with pytest.raises(FrameError):
        list(decode(bytes(size)))
