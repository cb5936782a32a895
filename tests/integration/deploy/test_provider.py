"""The simulated provider satisfies the official OpenAI SDK and misbehaves exactly as it is told to."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import openai
import pytest
from aiohttp.test_utils import TestServer

from deploy.local.answers import Outcome, RecordedAnswers, WrittenAnswers
from deploy.local.provider import SimulatedProvider

OUTCOME = Outcome(item="task-1", model="sim-small", score=0.5, prompt_tokens=900, completion_tokens=40)
DEADLINE_S = 10
HELLO: list[Any] = [{"role": "user", "content": "Hello"}]


@pytest.fixture
async def url() -> AsyncIterator[str]:
    answers = RecordedAnswers([OUTCOME], WrittenAnswers())
    provider = SimulatedProvider(("sim-small", "sim-large"), answers, created_s=lambda: 7.0)
    async with TestServer(provider.app(), handler_cancellation=True) as server:
        yield str(server.make_url("/v1"))


@pytest.fixture
async def client(url: str) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=url, api_key="any", max_retries=0) as client:
        yield client


async def seen(url: str) -> dict[str, Any]:
    async with aiohttp.ClientSession() as session, session.get(url.replace("/v1", "/sim/requests")) as response:
        return await response.json()


async def read_stream(url: str, headers: dict[str, str], *, into: bytearray) -> None:
    body = {"model": "sim-small", "messages": HELLO, "stream": True}
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{url}/chat/completions", json=body, headers=headers) as response,
    ):
        async for piece in response.content.iter_any():
            into += piece


async def test_a_whole_answer_carries_usage(client: openai.AsyncOpenAI):
    answer = await client.chat.completions.create(model="sim-small", messages=HELLO)

    assert answer.choices[0].message.content is not None
    assert answer.choices[0].message.content.startswith("sim-small: ")
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    assert 7 == answer.created


async def test_a_stream_says_the_same_and_ends_with_usage_when_asked(client: openai.AsyncOpenAI):
    whole = await client.chat.completions.create(model="sim-small", messages=HELLO)
    stream = await client.chat.completions.create(
        model="sim-small", messages=HELLO, stream=True, stream_options={"include_usage": True}
    )
    chunks = [chunk async for chunk in stream]

    assert whole.choices[0].message.content == "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert whole.usage == chunks[-1].usage


async def test_two_answers_to_one_question_differ_only_in_their_id(client: openai.AsyncOpenAI):
    first, second = [await client.chat.completions.create(model="sim-small", messages=HELLO) for _ in range(2)]

    assert first.id != second.id
    assert first.choices == second.choices


async def test_a_recorded_item_is_answered_from_the_table(client: openai.AsyncOpenAI):
    answer = await client.chat.completions.create(model="sim-small", messages=HELLO, metadata={"item": "task-1"})

    assert '"score":0.5' in (answer.choices[0].message.content or "")
    assert answer.usage is not None
    assert (900, 40) == (answer.usage.prompt_tokens, answer.usage.completion_tokens)


async def test_models_and_embeddings_are_served(client: openai.AsyncOpenAI):
    assert ["sim-small", "sim-large"] == [model.id async for model in client.models.list()]
    vectors = await client.embeddings.create(model="sim-small", input=["a", "b", "a"], encoding_format="float")

    assert vectors.data[0].embedding == vectors.data[2].embedding != vectors.data[1].embedding


@pytest.mark.parametrize(
    ("headers", "error"),
    [
        ({"x-sim-status": "503"}, openai.InternalServerError),
        ({"x-sim-status": "429", "x-sim-retry-after-s": "3"}, openai.RateLimitError),
        ({"x-sim-die-after-chunks": "0"}, openai.APIConnectionError),
        ({"x-sim-staus": "503"}, openai.BadRequestError),
    ],
)
async def test_a_failure_can_be_asked_for(
    client: openai.AsyncOpenAI, headers: dict[str, str], error: type[openai.APIError]
):
    with pytest.raises(error):
        await client.chat.completions.create(model="sim-small", messages=HELLO, extra_headers=headers)


async def test_a_failure_can_be_limited_to_one_model(client: openai.AsyncOpenAI):
    script = {"x-sim-status": "503", "x-sim-models": "sim-small"}

    with pytest.raises(openai.InternalServerError):
        await client.chat.completions.create(model="sim-small", messages=HELLO, metadata=script)
    assert await client.chat.completions.create(model="sim-large", messages=HELLO, metadata=script)


async def test_a_model_that_does_not_exist_is_not_found(client: openai.AsyncOpenAI):
    with pytest.raises(openai.NotFoundError) as raised:
        await client.chat.completions.create(model="gpt-x", messages=HELLO)

    assert "model_not_found" == raised.value.code


async def test_a_stream_can_die_in_the_middle(url: str):
    received = bytearray()

    with pytest.raises(aiohttp.ClientPayloadError):
        await read_stream(url, {"x-sim-die-after-chunks": "3"}, into=received)

    assert 3 == received.count(b"data: ")
    assert b"[DONE]" not in received


async def test_a_caller_that_breaks_off_is_counted(url: str):
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(read_stream(url, {"x-sim-chunk-delay-ms": "500"}, into=bytearray()), 0.2)

    async with asyncio.timeout(DEADLINE_S):
        state = await seen(url)
        while not state["broken_off"]:
            state = await seen(url)

    assert (1, 1) == (state["total"], state["broken_off"])


async def test_what_was_sent_can_be_looked_at_without_the_key(client: openai.AsyncOpenAI, url: str):
    await client.chat.completions.create(model="sim-small", messages=HELLO, extra_headers={"x-trace": "t"})

    (request,) = (await seen(url))["newest"]
    assert ("t", HELLO) == (request["headers"]["x-trace"], request["body"]["messages"])
    assert "authorization" not in request["headers"]
