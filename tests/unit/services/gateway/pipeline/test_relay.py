"""A stream passes as it comes; however it ends, the client can tell, the provider is let go and the books are right."""

import asyncio
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.contracts.events import Usage
from libs.contracts.state import Plan
from services.gateway.pipeline.exchange import StreamedAnswer
from services.gateway.ports import UpstreamBrokenError, UpstreamTimeoutError
from tests.unit.services.gateway.fakes import REQUEST_ID, World, bytes_of, caller, sse, streamed

DONE = b"data: [DONE]\n\n"


def world_of(*parts: bytes | Exception | asyncio.Event, **who: object) -> World:
    world = World(who=caller(**who))
    world.upstream.script["a"] = [streamed(*parts)]
    return world


async def test_bytes_pass_unmodified_for_a_client_that_wants_the_usage():
    world = world_of(*sse("Hel", "lo"))
    answer = await world.ask(stream=True, stream_options={"include_usage": True})
    assert b"".join(sse("Hel", "lo")) == await bytes_of(answer)
    headers = dict(answer.headers)
    assert ("text/event-stream; charset=utf-8", "a", REQUEST_ID) == (
        headers["content-type"],
        headers["Floopy-Model"],
        headers["x-request-id"],
    )


async def test_the_usage_chunk_is_asked_for_and_taken_out_again():
    world = world_of(*sse("Hel", "lo"))
    assert b"".join(sse("Hel", "lo", usage=False)) == await bytes_of(await world.ask(stream=True))
    assert {"include_usage": True} == world.upstream.calls[0][1]["stream_options"]
    assert (Usage(fresh_input=10, output=5), False, "ok") == (
        world.event.usage,
        world.event.usage_estimated,
        world.event.status,
    )
    assert "chatcmpl-1" == world.event.completion_id
    assert world.event.timings.first_byte_us > 0


@given(st.lists(st.integers(1, 40), max_size=40))
def test_the_client_gets_the_same_however_the_provider_cuts_its_bytes(cuts):
    rest, parts = b"".join(sse("Hel", "lo", "wörld")), []
    for cut in cuts:
        parts.append(rest[:cut])
        rest = rest[cut:]
    world = world_of(*filter(None, [*parts, rest]))

    async def ask() -> bytes:
        return await bytes_of(await world.ask(stream=True))

    assert b"".join(sse("Hel", "lo", "wörld", usage=False)) == asyncio.run(ask())
    assert "ok" == world.event.status


async def test_each_piece_is_handed_on_before_the_next_has_come():
    more = asyncio.Event()
    first, *others = sse("one", "two")
    world = world_of(first, more, *others)
    answer = await world.ask(stream=True)
    assert isinstance(answer, StreamedAnswer)
    assert first == await anext(answer.chunks)
    more.set()
    assert others[0] == await anext(answer.chunks)
    await answer.chunks.aclose()


@pytest.mark.parametrize(
    ("end", "code", "reason"),
    [
        (UpstreamBrokenError(), "PROVIDER_ERROR", "broken"),
        (UpstreamTimeoutError(), "GATEWAY_TIMEOUT", "timeout"),
        (b"", "PROVIDER_ERROR", "truncated"),
    ],
)
@pytest.mark.parametrize("options", [None, {"include_usage": True}])
async def test_a_stream_that_breaks_off_ends_with_an_error_and_without_done(end, code, reason, options):
    world = world_of(sse("Hel")[0], b'data: {"half', end, exact_cache=True)
    sent = await bytes_of(await world.ask(stream=True, stream_options=options))
    assert DONE not in sent
    *_, last, empty = sent.split(b"\n\n")
    assert (b"", code) == (empty, json.loads(last.removeprefix(b"data: "))["error"]["code"])
    event = world.event
    assert ("failed", 200, code, reason) == (event.status, event.http_status, event.error_code, event.attempts[0].error)
    assert event.usage_estimated
    assert event.cost_micro_usd > 0
    assert {} == world.hot_state.cache
    assert world.upstream.answers[0].closed


async def test_a_stream_that_only_forgets_to_say_done_is_completed():
    world = world_of(*sse("hi", done=False, usage=False))
    assert (await bytes_of(await world.ask(stream=True))).endswith(DONE)
    assert "ok" == world.event.status


@pytest.mark.parametrize("cut", [b"\n", b"\n\n"])
async def test_a_last_event_that_was_not_ended_does_not_run_into_done(cut: bytes):
    *events, last = sse("hi", done=False, usage=False)
    world = world_of(*events, last.removesuffix(cut))
    sent = await bytes_of(await world.ask(stream=True))
    assert [*events, last, DONE] == [event.strip() + b"\n\n" for event in sent.split(b"\n\n") if event.strip()]
    assert [world.event] == world.events.durable


async def test_an_error_that_the_provider_streams_passes_and_counts_as_a_failure():
    error = b'data: {"error": {"message": "overloaded"}}\n\n'
    world = world_of(sse("Hel")[0], error, exact_cache=True)
    sent = await bytes_of(await world.ask(stream=True))
    assert sent.endswith(error)
    assert ("failed", "error_event", {}) == (world.event.status, world.event.attempts[0].error, world.hot_state.cache)


async def test_streams_that_break_open_the_circuit():
    world = world_of(sse("Hel")[0], UpstreamBrokenError())
    for _ in range(3):
        await bytes_of(await world.ask(stream=True))
    assert 502 == (await world.ask(stream=True)).status


async def test_a_client_that_leaves_stops_the_provider_and_pays_for_what_was_sent():
    world = world_of(*sse("one", "two", reason=None, usage=False, done=False), asyncio.Event())
    answer = await world.ask(stream=True)
    assert isinstance(answer, StreamedAnswer)
    await anext(answer.chunks)
    await anext(answer.chunks)
    reading = asyncio.create_task(anext(answer.chunks))
    await asyncio.sleep(0)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert world.upstream.answers[0].closed
    assert ("cancelled", 499, 2, True) == (
        world.event.status,
        world.event.http_status,
        world.event.usage.output,
        world.event.usage_estimated,
    )


async def test_a_client_that_leaves_before_the_first_byte_is_accounted_too():
    world = world_of(*sse("one"))
    answer = await world.ask(stream=True)
    assert isinstance(answer, StreamedAnswer)
    await answer.chunks.aclose()
    await answer.chunks.aclose()
    assert "cancelled" == world.event.status
    assert world.upstream.answers[0].closed


async def test_done_is_shown_only_when_the_record_is_durable():
    world = world_of(*sse("one"), asyncio.Event())
    answer = await world.ask(stream=True)
    assert isinstance(answer, StreamedAnswer)
    while await anext(answer.chunks) != DONE:
        assert [] == world.events.requests
    assert [world.event] == world.events.durable
    assert "ok" == world.event.status


async def test_a_cached_answer_is_streamed_only_when_its_record_is_durable():
    world = World(who=caller(exact_cache=True))
    await world.ask()
    answer = await world.ask(stream=True)
    assert isinstance(answer, StreamedAnswer)
    assert "cache_hit" == world.events.requests[-1].status
    await anext(answer.chunks)
    assert world.events.requests == world.events.durable


@pytest.mark.parametrize("end", [UpstreamBrokenError(), UpstreamTimeoutError()])
async def test_what_breaks_after_done_is_no_loss(end: Exception):
    world = world_of(*sse("one"), end)
    assert (await bytes_of(await world.ask(stream=True))).endswith(DONE)
    assert "ok" == world.event.status
    assert world.upstream.answers[0].closed


async def test_a_client_that_leaves_after_done_has_its_answer():
    world = world_of(*sse("one"), asyncio.Event(), plan=Plan(name="p", transcript_retention_days=1))
    answer = await world.ask(stream=True)
    assert isinstance(answer, StreamedAnswer)
    while await anext(answer.chunks) != DONE:
        continue
    await answer.chunks.aclose()
    assert ("ok", Usage(fresh_input=10, output=5)) == (world.event.status, world.event.usage)
    (transcript,) = world.events.transcripts
    assert "one" == json.loads(transcript.response)["choices"][0]["message"]["content"]
