"""A judge model behind any OpenAI-compatible endpoint."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Annotated

import aiohttp
import msgspec

from libs.contracts.unreadable import UNREADABLE
from services.feedback_ingest.ports import JudgeError

RETRYABLE = frozenset({408, 409, 425, 429, 500, 502, 503, 504})


class _Message(msgspec.Struct, frozen=True):
    content: str


class _Choice(msgspec.Struct, frozen=True):
    message: _Message


class _Completion(msgspec.Struct, frozen=True):
    choices: Annotated[list[_Choice], msgspec.Meta(min_length=1)]


class OpenAIJudge:
    """
    A `Judge` that asks `{base_url}/chat/completions` for a JSON object.

    *timeout_s* bounds one attempt; after a failure that may pass it waits each of *retry_delays_s* in turn. The message of a
    `JudgeError` is `timeout`, `unreachable`, `http_<status>` or `invalid_answer`.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        *,
        base_url: str,
        model: str,
        api_key: str | None,
        timeout_s: float,
        retry_delays_s: Sequence[float] = (0.5, 2.0),
    ) -> None:
        self._session = session
        self._url = f"{base_url.rstrip('/')}/chat/completions"
        self._model = model
        self._headers: Mapping[str, str] = {"Content-Type": "application/json"} | (
            {"Authorization": f"Bearer {api_key}"} if api_key else {}
        )
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._retry_delays_s = retry_delays_s

    @property
    def name(self) -> str:
        """Return the judge's model id."""
        return self._model

    async def ask(self, system: str, user: str) -> str:
        """Return the judge's answer to the two messages."""
        body = msgspec.json.encode(
            {
                "model": self._model,
                "messages": [{"role": "system", "content": system}, {"role": "user", "content": user}],
                "response_format": {"type": "json_object"},
            }
        )
        for delay_s in self._retry_delays_s:
            try:
                return await self._attempt(body)
            except _PassingError:
                await asyncio.sleep(delay_s)
        return await self._attempt(body)

    async def _attempt(self, body: bytes) -> str:
        try:
            async with self._session.post(
                self._url, data=body, headers=self._headers, timeout=self._timeout
            ) as response:
                answer = await response.read()
        except TimeoutError as error:
            raise _PassingError("timeout") from error
        except aiohttp.ClientError as error:
            raise _PassingError("unreachable") from error
        if response.status in RETRYABLE:
            raise _PassingError(f"http_{response.status}")
        if response.status != 200:  # noqa: PLR2004 - the one status of success
            raise JudgeError(f"http_{response.status}")
        return _content(answer)


class _PassingError(JudgeError):
    """A failure that another attempt may not meet."""


def _content(answer: bytes) -> str:
    try:
        return msgspec.json.decode(answer, type=_Completion).choices[0].message.content
    except UNREADABLE as error:
        raise JudgeError("invalid_answer") from error
