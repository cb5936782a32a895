"""What must not leave a tenant does not, as clients of the OpenAI SDK meet it; where the policy is off nothing is touched."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest
from openai import OpenAI

from tests.e2e.resilience.stack import Stack, key_of
from tests.support.process import wait_until

DEADLINE_S = 40.0
SERVICES = ("aggregator", "router", "gateway")
KEY = "sk-proj-q7Zx2Lm9PzK1sVbT4cWd8RfGh"
SAID = f"Here it is: {KEY}. Keep it well."
SHOWN = "Here it is: [redacted:openai_key]. Keep it well."
SYSTEM = "Never mention the discount code of the partner programme to customers, whatever they may say about it."
CATEGORIES = ["secret_leak", "system_prompt_leak"]
TENANTS: dict[str, dict[str, Any]] = {
    "off": {"output": "off"},
    "flagging": {"output": "flag"},
    "redacting": {"output": "redact", "output_categories": CATEGORIES},
    "blocking": {"output": "block"},
}
POLICY = {
    "plans": [{"name": "kept", "transcript_retention_days": 1}],
    "tenants": [
        {"tenant": name, "plan": "kept", "firewall": {"mode": "off"} | firewall} for name, firewall in TENANTS.items()
    ],
    "keys": [{"tenant": name, "key_id": "agent", "secret": key_of(name)} for name in TENANTS],
}
MODEL = "gpt-5-mini"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    stack = Stack(tmp_path_factory.mktemp("answers"), policy=POLICY)
    try:
        stack.start("valkey", "broker", "clickhouse", "provider")
        stack.start(*SERVICES)
        yield stack
    finally:
        stack.stop_all()


class Asking:
    """A client of one tenant, whose provider says what it is told to, in pieces of three characters where it streams."""

    def __init__(self, stack: Stack, tenant: str) -> None:
        self._url = f"{stack.url()}/v1"
        self._key = key_of(tenant)
        self._client = OpenAI(base_url=self._url, api_key=self._key, max_retries=0)
        self.request_id = ""

    def whole(self, **script: str) -> Any:
        raw = self._client.chat.completions.with_raw_response.create(**self._body(script))
        self.request_id = raw.headers["x-request-id"]
        return raw.parse().choices[0].message

    def streamed(self, **script: str) -> tuple[str, str]:
        """Return the text and the arguments that the chunks join to."""
        raw = self._client.chat.completions.with_raw_response.create(stream=True, **self._body(script))
        self.request_id = raw.headers["x-request-id"]
        text, arguments = "", ""
        for chunk in raw.parse():
            for choice in chunk.choices:
                text += choice.delta.content or ""
                for call in choice.delta.tool_calls or ():
                    arguments += call.function.arguments or ""
        return text, arguments

    def bytes_of(self, **script: str) -> bytes:
        headers = {"authorization": f"Bearer {self._key}"}
        body = self._body(script) | {"stream": True}
        return httpx.post(f"{self._url}/chat/completions", json=body, headers=headers, timeout=DEADLINE_S).content

    def found(self) -> dict[str, Any] | None:
        """Return what the decision log says was found in the last answer, once it is there."""
        url, headers = f"{self._url}/decisions/{self.request_id}", {"authorization": f"Bearer {self._key}"}

        def ask() -> httpx.Response:
            return httpx.get(url, headers=headers, timeout=DEADLINE_S)

        wait_until(lambda: ask().status_code == 200, timeout_s=DEADLINE_S, what="the decision")
        firewall = ask().json()["decision_trace"]["firewall"]
        return None if firewall is None else firewall["answer"]

    def _body(self, script: dict[str, str]) -> dict[str, Any]:
        messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": "Tell me."}]
        metadata = {f"x-sim-{name}": value for name, value in ({"piece-chars": "3"} | script).items()}
        return {"model": MODEL, "messages": messages, "metadata": metadata}


@pytest.fixture
def asking(stack: Stack, request: pytest.FixtureRequest) -> Asking:
    return Asking(stack, request.param)


@pytest.mark.parametrize("asking", ["off", "flagging"], indirect=True)
def test_an_answer_that_may_pass_is_the_providers_to_the_byte(asking: Asking, request: pytest.FixtureRequest):
    sent = asking.bytes_of(text=SAID)
    events = sent.split(b"\n\n")
    pieces = [json.loads(event[6:])["choices"][0]["delta"].get("content", "") for event in events[:-2]]
    assert [SAID[at : at + 3] for at in range(0, len(SAID), 3)] == [piece for piece in pieces if piece]
    assert b"data: [DONE]" == events[-2]
    assert (SAID, SAID) == (asking.whole(text=SAID).content, asking.streamed(text=SAID)[0])
    found = asking.found()
    assert (None if "off" in request.node.name else "flag") == (found and found["action"])


@pytest.mark.parametrize("asking", ["redacting"], indirect=True)
def test_a_secret_split_over_chunks_is_redacted(asking: Asking):
    assert (SHOWN, "") == asking.streamed(text=SAID)
    expected = {"action": "redact", "category": "secret_leak", "kinds": {"openai_key": 1}, "role": "assistant"}
    assert expected == asking.found()
    assert SHOWN == asking.whole(text=SAID).content


@pytest.mark.parametrize("asking", ["redacting"], indirect=True)
def test_the_arguments_of_a_call_are_redacted_and_stay_json(asking: Asking):
    arguments = json.dumps({"path": ".env", "text": f'KEY="{KEY}"\n'})
    redacted = {"path": ".env", "text": 'KEY="[redacted:openai_key]"\n'}
    assert redacted == json.loads(asking.streamed(tool="write", arguments=arguments)[1])
    (call,) = asking.whole(tool="write", arguments=arguments).tool_calls
    assert redacted == json.loads(call.function.arguments)


@pytest.mark.parametrize("asking", ["redacting"], indirect=True)
def test_the_system_prompt_is_not_recited(asking: Asking):
    text, _ = asking.streamed(text=f"My orders: {SYSTEM} That is all.")
    assert "My orders: Never mention the [redacted:system_prompt]. That is all." == text
    assert "system_prompt_leak" == asking.found()["category"]


@pytest.mark.parametrize("asking", ["blocking"], indirect=True)
def test_a_blocked_answer_is_an_error_before_the_secret(asking: Asking):
    with pytest.raises(openai.BadRequestError) as refused:
        asking.whole(text=SAID)
    assert "ANSWER_BLOCKED" == refused.value.code
    with pytest.raises(openai.APIError, match="blocked by the firewall"):
        asking.streamed(text=SAID)
    assert ("block", "secret_leak") == (asking.found()["action"], asking.found()["category"])
    sent = asking.bytes_of(text=SAID).decode()
    assert "[DONE]" not in sent
    assert "sk-" not in sent
