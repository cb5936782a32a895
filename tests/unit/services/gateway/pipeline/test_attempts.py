"""Providers fail in many ways; the client sees an answer as long as anybody has one, and the truth when nobody has."""

import asyncio
from contextlib import suppress

import pytest

from services.gateway.ports import UpstreamBrokenError, UpstreamConnectError, UpstreamTimeoutError
from tests.unit.services.gateway.fakes import Reply, World, bytes_of, error_of, sse, streamed, whole

HTML = Reply(content_type="text/html", parts=[b"<html>"])
BREAKS = Reply(parts=[b'{"id"', UpstreamBrokenError()])


def outcomes(world: World) -> list[tuple[str, str]]:
    return [(attempt.model, attempt.outcome) for attempt in world.event.attempts]


@pytest.mark.parametrize(
    "failure",
    [UpstreamConnectError(), UpstreamBrokenError(), BREAKS, *(Reply(status=status) for status in (500, 502, 503, 529))],
)
async def test_a_failure_that_may_pass_is_tried_again_once(failure):
    world = World()
    world.upstream.script["a"] = [failure, whole("second")]
    answer = await world.ask()
    assert (200, ["a", "a"]) == (answer.status, world.upstream.models)
    assert [("a", "error"), ("a", "ok")] == outcomes(world)


@pytest.mark.parametrize(
    "failure",
    [
        UpstreamTimeoutError(),
        HTML,
        whole(choices=[]),
        Reply(parts=[b'{"error": {"message": "overloaded"}}']),
        *(Reply(status=status) for status in (301, 401, 402, 403, 408, 429)),
        Reply(status=503, retry_after_s=2.0),
    ],
)
async def test_a_failure_that_will_stay_goes_to_the_next_model_at_once(failure):
    world = World()
    world.upstream.script["a"] = [failure]
    answer = await world.ask(model="a,b")
    assert (200, ["a", "b"], "b") == (answer.status, world.upstream.models, dict(answer.headers)["Floopy-Model"])
    assert "b" == world.event.model


@pytest.mark.parametrize("status", [400, 404, 413, 422])
async def test_a_fault_of_the_clients_is_no_reason_to_try_elsewhere(status):
    world = World()
    world.upstream.script["a"] = [Reply(status=status)]
    answer = await world.ask(model="a,b")
    assert (status, ["a"]) == (answer.status, world.upstream.models)
    assert world.breaker.allows("a", 0.0)


async def test_when_everybody_fails_the_client_is_told():
    world = World()
    world.upstream.script |= {"a": [Reply(status=500)], "b": [Reply(status=429, retry_after_s=6.5)]}
    answer = await world.ask(model="a,b")
    assert (502, "PROVIDER_ERROR", "7") == (
        answer.status,
        error_of(answer)["code"],
        dict(answer.headers)["retry-after"],
    )
    assert ("failed", 502, "PROVIDER_ERROR") == (world.event.status, world.event.http_status, world.event.error_code)
    assert ["http_500", "http_500", "http_429"] == [attempt.error for attempt in world.event.attempts]
    assert {} == world.hot_state.aliases


async def test_when_the_last_provider_is_too_slow_the_client_is_told_that():
    world = World()
    world.upstream.script["a"] = [UpstreamTimeoutError()]
    answer = await world.ask()
    assert (504, "GATEWAY_TIMEOUT") == (answer.status, error_of(answer)["code"])
    assert [("a", "timeout")] == outcomes(world)


async def test_attempts_are_bounded():
    world = World()
    world.upstream.script = {name: [Reply(status=500)] for name in ("a", "b", "c")}
    assert 502 == (await world.ask(model="a,b,c")).status
    assert ["a", "a", "b", "b"] == world.upstream.models


async def test_auto_falls_back_to_the_next_best_candidate():
    world = World()
    world.upstream.script = {name: [Reply(status=403)] for name in ("a", "b")} | {"c": [whole()]}
    answer = await world.ask(model="auto", headers={"floopy-session-id": "s"})
    assert (200, "c") == (answer.status, dict(answer.headers)["Floopy-Model"])
    assert {"chat": "c"} == world.hot_state.sessions["t", "s"].pins


async def test_an_open_circuit_is_not_called():
    world = World()
    world.upstream.script["a"] = [UpstreamTimeoutError()]
    for _ in range(4):
        answer = await world.ask()
    assert 3 == len(world.upstream.calls)
    assert (502, "5") == (answer.status, dict(answer.headers)["retry-after"])
    assert "circuit_open" == world.events.requests[-1].attempts[0].outcome


async def test_a_stream_falls_back_until_its_first_byte():
    world = World()
    world.upstream.script |= {
        "a": [
            streamed(UpstreamBrokenError()),
            streamed(b'data: {"error": {"message": "overloaded"}}\n\n'),
        ],
        "b": [Reply(content_type="application/json")],
        "c": [streamed(*sse("hi"))],
    }
    answer = await world.ask(model="a,b,c", stream=True)
    assert b"hi" in await bytes_of(answer)
    assert [("a", "error"), ("a", "error"), ("b", "error"), ("c", "ok")] == outcomes(world)


async def test_every_answer_is_closed():
    world = World()
    world.upstream.script |= {"a": [Reply(status=500), HTML], "b": [whole()]}
    await world.ask(model="a,b")
    assert [True, True] == [answer.closed for answer in world.upstream.answers[:2]]


async def test_a_client_that_leaves_before_the_answer_cancels_the_call():
    world = World()
    world.upstream.script["a"] = [Reply(parts=[asyncio.Event()])]
    asking = asyncio.create_task(world.ask())
    await asyncio.wait_for(world.upstream.answering.wait(), 1)
    asking.cancel()
    with suppress(asyncio.CancelledError):
        await asking
    assert world.upstream.answers[0].closed
    assert ("cancelled", 499, "cancelled") == (
        world.event.status,
        world.event.http_status,
        world.event.attempts[0].outcome,
    )
