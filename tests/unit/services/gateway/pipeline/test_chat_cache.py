"""The exact cache on the way of a request: who may have which answer, and what is never kept."""

import json

import pytest

from libs.contracts.state import Plan, secret_sha256
from libs.scanner.verdict import Verdict
from services.gateway.domain.caller import Caller
from tests.unit.services.gateway.fakes import (
    World,
    bytes_of,
    caller,
    sse,
    streamed,
    whole,
)

HOSTILE = Verdict(action="block", score=0.9, category="prompt_injection", role="user")
ODD = Verdict(action="flag", score=0.6, category="prompt_injection", role="user")


class TestExactCache:
    async def test_the_same_request_is_answered_once_by_a_provider_then_from_the_cache(self):
        world = World(who=caller(exact_cache=True))
        first = await world.ask()
        second = await world.ask(headers={"floopy-session-id": "other"}, user="somebody")
        assert first.body == second.body
        assert ["miss", "exact"] == [dict(answer.headers)["Floopy-Cache"] for answer in (first, second)]
        assert 1 == len(world.upstream.calls)
        hit = world.events.requests[1]
        assert ("cache_hit", "exact", "a", 0, None, ()) == (
            hit.status,
            hit.cache,
            hit.model,
            hit.cost_micro_usd,
            hit.decision,
            hit.attempts,
        )
        assert 1 == len(world.firewall.shown), "only clean exchanges are stored"
        assert world.hot_state.aliases["t", "chatcmpl-1"] != "other", "the completion stays with its first session"

    async def test_a_stored_answer_is_streamed_to_who_wants_a_stream(self):
        world = World(who=caller(exact_cache=True))
        await world.ask()
        stream = await bytes_of(await world.ask(stream=True))
        assert stream.endswith(b"data: [DONE]\n\n")
        assert b'"content":"from a"' in stream

    async def test_a_streamed_answer_is_stored_as_a_whole_one(self):
        world = World(who=caller(exact_cache=True))
        world.upstream.script["a"] = [streamed(*sse("Hel", "lo"))]
        await bytes_of(await world.ask(stream=True))
        answer = await world.ask()
        assert ("exact", "Hello") == (
            dict(answer.headers)["Floopy-Cache"],
            json.loads(answer.body)["choices"][0]["message"]["content"],
        )

    @pytest.mark.parametrize("reply", [whole(reason="length"), whole(reason="content_filter")])
    async def test_an_answer_cut_short_is_never_stored(self, reply):
        world = World(who=caller(exact_cache=True))
        world.upstream.script["a"] = [reply]
        await world.ask()
        assert world.hot_state.cache == {}

    @pytest.mark.parametrize(
        ("headers", "stored"),
        [
            ({}, 0),
            ({"floopy-cache-enabled": "true"}, 1),
            ({"floopy-cache-enabled": "true", "cache-control": "no-store"}, 0),
            ({"floopy-cache-enabled": "true", "cache-control": "max-age=0"}, 0),
        ],
    )
    async def test_a_client_says_whether_its_answers_are_stored(self, headers, stored):
        world = World()
        await world.ask(headers=headers)
        assert stored == len(world.hot_state.cache)

    async def test_a_client_can_ask_for_a_fresh_answer(self):
        world = World(who=caller(exact_cache=True))
        await world.ask()
        world.clock.now_ns += 5_000_000_000
        tiers = [
            dict((await world.ask(headers={"cache-control": control})).headers)["Floopy-Cache"]
            for control in ("max-age=9", "max-age=4", "max-age=9", "no-cache")
        ]
        assert ["exact", "miss", "exact", "miss"] == tiers

    async def test_a_bucket_keeps_several_variants(self):
        world = World(who=caller(exact_cache=True))
        for draw in (0.0, 0.6, 0.1, 0.9):
            world.draws = [draw]
            await world.ask(headers={"floopy-cache-bucket-max-size": "2"})
        assert 2 == len(world.upstream.calls)

    async def test_another_tenant_never_gets_the_answer(self):
        world = World(who=caller(exact_cache=True))
        other = Caller(
            key=caller(key={"tenant": "t2"}).key, policy=caller(exact_cache=True).policy, plan=Plan(name="p")
        )
        world.directory.by_digest[secret_sha256("sk-2")] = other
        await world.ask()
        await world.ask(secret="sk-2")
        assert 2 == len(world.upstream.calls)
