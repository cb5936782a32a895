"""The judge is asked for JSON, asked again where that may help, never for longer than its bounds, and its failures have names."""

import aiohttp
import pytest

from services.feedback_ingest.adapters.openai_judge import OpenAIJudge
from services.feedback_ingest.ports import JudgeError
from tests.integration.services.feedback_ingest.judge_server import JudgeServer


async def ask(server: JudgeServer, *, url: str | None = None, timeout_s: float = 2.0) -> str:
    async with aiohttp.ClientSession() as session:
        judge = OpenAIJudge(
            session,
            base_url=url or server.url,
            model="judge-1",
            api_key="sk-judge",
            timeout_s=timeout_s,
            retry_delays_s=(0.0, 0.0),
        )
        return await judge.ask("rubric", "exchange")


async def test_the_judge_sees_rubric_and_exchange_and_must_answer_json():
    async with JudgeServer('{"score":7}').serving() as server:
        assert '{"score":7}' == await ask(server)
    [asked] = server.asked
    assert ["rubric", "exchange"] == [message["content"] for message in asked["messages"]]
    assert ("judge-1", {"type": "json_object"}) == (asked["model"], asked["response_format"])
    assert ["Bearer sk-judge"] == server.authorizations


async def test_a_failure_that_passes_is_asked_again():
    async with JudgeServer(503, 429, '{"score":7}').serving() as server:
        assert '{"score":7}' == await ask(server)


@pytest.mark.parametrize(("status", "attempts"), [(500, 3), (401, 1), (404, 1)])
async def test_attempts_are_bounded_and_hopeless_ones_are_not_repeated(status: int, attempts: int):
    async with JudgeServer(status).serving() as server:
        with pytest.raises(JudgeError, match=f"http_{status}"):
            await ask(server)
    assert attempts == len(server.asked)


async def test_a_judge_that_hangs_is_a_timeout():
    async with JudgeServer(None).serving() as server:
        with pytest.raises(JudgeError, match="timeout"):
            await ask(server, timeout_s=0.05)


async def test_a_judge_that_is_not_there_is_unreachable():
    with pytest.raises(JudgeError, match="unreachable"):
        await ask(JudgeServer(), url="http://127.0.0.1:1/v1")
