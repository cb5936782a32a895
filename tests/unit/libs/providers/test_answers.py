"""What an answer says about itself is read the same from every cut of its stream, and only the usage chunk is hidden."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.contracts.events import Usage
from libs.providers.answers import MAX_EVENT_BYTES, SseUsageReader, read_answer

FIRST = b'data: {"id":"chatcmpl-1","model":"m-1","choices":[{"delta":{"content":"h\\u00e9 \\n\\n"}}],"usage":null}'
LAST = b'data:{"id":"chatcmpl-1","choices":[{"delta":{},"finish_reason":"stop"}]}'
USAGE = b'data: {"id":"chatcmpl-1","choices":[],"usage":{"prompt_tokens":7,"completion_tokens":3}}'
SPLIT = b'data: {"id":"chatcmpl-1",\ndata: "choices":[{"delta":{}}]}'
OTHERS = [
    b": keep-alive",
    b"event: ping\ndata: {}",
    b"data: not json",
    b'data: {"choices":"odd"}',
    b"data: [DONE]",
    b"",
    SPLIT,
]
events = st.lists(st.sampled_from([FIRST, LAST, USAGE, *OTHERS]), max_size=8)
endings = st.sampled_from([b"\n\n", b"\r\n\r\n", b"\r\r", b"\n\r\n"])


@st.composite
def streams(draw: st.DrawFn) -> tuple[list[bytes], list[bytes]]:
    """Whole events with their endings, and the same bytes cut anywhere."""
    whole = [event + draw(endings) for event in draw(events)]
    text = b"".join(whole) + draw(st.sampled_from([b"", b"data: {", USAGE]))
    cuts = sorted(draw(st.lists(st.integers(0, len(text)), max_size=12)))
    return whole, [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]


def account(reader: SseUsageReader) -> tuple[object, ...]:
    return reader.completion_id, reader.model, reader.finish_reason, reader.usage, reader.done, reader.failed


def read_all(chunks: list[bytes], *, hide_usage: bool) -> tuple[bytes, tuple[object, ...]]:
    reader = SseUsageReader(hide_usage=hide_usage)
    shown = b"".join(reader.feed(chunk) for chunk in chunks) + reader.close()
    return shown, account(reader)


@given(case=streams(), hide_usage=st.booleans())
def test_any_cut_gives_the_same(case: tuple[list[bytes], list[bytes]], *, hide_usage: bool) -> None:
    _, chunks = case
    assert read_all([b"".join(chunks)], hide_usage=hide_usage) == read_all(chunks, hide_usage=hide_usage)


@given(streams())
def test_a_client_that_asked_gets_every_byte(case: tuple[list[bytes], list[bytes]]) -> None:
    _, chunks = case
    reader = SseUsageReader()
    assert chunks == [reader.feed(chunk) for chunk in chunks]


@given(streams())
def test_a_client_that_did_not_ask_gets_all_but_the_usage(case: tuple[list[bytes], list[bytes]]) -> None:
    _, chunks = case
    shown, _ = read_all(chunks, hide_usage=True)
    text = b"".join(chunks)
    assert USAGE not in shown
    assert text.count(FIRST) == shown.count(FIRST)
    assert text.count(LAST) == shown.count(LAST)
    assert text.count(b"data: [DONE]") == shown.count(b"data: [DONE]")


def test_a_stream_says_who_answered_why_it_ended_and_what_it_used() -> None:
    reader = SseUsageReader()
    for event in (FIRST, LAST, USAGE, b"data: [DONE]"):
        reader.feed(event + b"\n\n")
    assert ("chatcmpl-1", "m-1", "stop", Usage(fresh_input=7, output=3), True, False) == account(reader)


def test_an_error_event_marks_the_stream_failed() -> None:
    reader = SseUsageReader()
    reader.feed(b'data: {"error":{"message":"overloaded"}}\n\n')
    assert reader.failed
    assert not reader.done


def test_a_whole_event_is_handed_on_at_once_even_when_usage_is_hidden() -> None:
    reader = SseUsageReader(hide_usage=True)
    assert b"" == reader.feed(FIRST)
    assert FIRST + b"\n\n" == reader.feed(b"\n\n")


def test_an_endless_event_is_passed_through_instead_of_kept() -> None:
    reader = SseUsageReader(hide_usage=True)
    endless = b"data: " + b"x" * MAX_EVENT_BYTES
    assert endless == reader.feed(endless)
    assert b"" == reader.close()


def test_a_plain_answer_is_read() -> None:
    answer = read_answer(
        b'{"id":"chatcmpl-2","model":"m","choices":[{"finish_reason":"stop","message":{}},{"finish_reason":"length"}],'
        b'"usage":{"prompt_tokens":5,"completion_tokens":2,"prompt_tokens_details":{"cached_tokens":4}}}'
    )
    assert answer is not None
    assert ("chatcmpl-2", "m", "length", True, False) == (
        answer.completion_id,
        answer.model,
        answer.finish_reason,
        answer.finished,
        answer.failed,
    )
    assert Usage(fresh_input=1, cache_read=4, output=2) == answer.usage


@pytest.mark.parametrize("body", [b'{"choices":[]}', b"{}", b'{"choices":[{"finish_reason":null}]}', b'{"error":{}}'])
def test_an_answer_that_does_not_say_why_it_ended_is_not_finished(body: bytes) -> None:
    answer = read_answer(body)
    assert answer is not None
    assert not answer.finished
    assert answer.usage is None


@pytest.mark.parametrize("body", [b"", b"[]", b"<html>", b'{"choices":3}'])
def test_what_is_no_answer_reads_as_none(body: bytes) -> None:
    assert read_answer(body) is None
