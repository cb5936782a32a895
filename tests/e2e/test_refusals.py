"""Whatever is wrong with a request, the answer is the one error object, names the fault, and tells nothing of other tenants."""

import json
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.e2e.platform import Platform
from tests.support.process import wait_until

CHAT = {"model": "auto", "messages": [{"role": "user", "content": "What is the capital of France?"}]}
RATING = {"score": 9, "useful": True, "session_id": "s-1"}
NESTED = '{"a":' * 5000 + "1" + "}" * 5000
NOT_UTF8 = b'{"model":"\xff","messages":[{"role":"user","content":"\xff"}],"score":9,"useful":true,"session_id":"\xff","input":"\xff"}'


@pytest.fixture
def http(platform: Platform):
    headers = {"Authorization": "Bearer sk-acme", "Content-Type": "application/json"}
    with httpx.Client(base_url=platform.base_url, headers=headers, timeout=30) as client:
        yield client


def text(body: Any) -> str | bytes:
    return body if isinstance(body, (str, bytes)) else json.dumps(body)


def without(body: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in body.items() if name != key}


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        ("/chat/completions", "", None),
        ("/chat/completions", "{", None),
        ("/chat/completions", "[]", None),
        ("/chat/completions", '"hello"', None),
        ("/chat/completions", NESTED, None),
        ("/chat/completions", NOT_UTF8, None),
        ("/chat/completions", without(CHAT, "model"), "model"),
        ("/chat/completions", without(CHAT, "messages"), "messages"),
        ("/chat/completions", CHAT | {"messages": []}, "messages"),
        ("/chat/completions", CHAT | {"messages": "hello"}, "messages"),
        ("/chat/completions", CHAT | {"model": 5}, "model"),
        ("/chat/completions", CHAT | {"model": "no-such-model"}, "model"),
        ("/chat/completions", CHAT | {"model": "rule:no-such-rule"}, "model"),
        ("/chat/completions", CHAT | {"stream": "yes"}, "stream"),
        ("/feedback", "", None),
        ("/feedback", "{", None),
        ("/feedback", "[]", None),
        ("/feedback", NESTED, None),
        ("/feedback", NOT_UTF8, None),
        ("/feedback", '{"score":NaN,"useful":true}', None),
        ("/feedback", RATING | {"score": 11}, "score"),
        ("/feedback", RATING | {"score": "9"}, "score"),
        ("/feedback", RATING | {"score": 9.5}, "score"),
        ("/feedback", RATING | {"score": True}, "score"),
        ("/feedback", without(RATING, "useful"), "useful"),
        ("/feedback", RATING | {"session_id": ""}, "session_id"),
        ("/feedback", RATING | {"session_id": "s" * 257}, "session_id"),
        ("/ratings", {"score": 5}, "request_id"),
        ("/routing/rules", {"name": "x", "strategy": "nonsense"}, "strategy"),
        ("/routing/explain", "{", None),
        ("/routing/explain", NOT_UTF8, None),
        ("/firewall/scan", "{", None),
        ("/firewall/scan", NOT_UTF8, None),
    ],
)
def test_a_wrong_body_is_a_400_that_names_its_field(http: httpx.Client, path: str, body: Any, param: str | None):
    answer = http.post(path, content=text(body))
    error = answer.json()["error"]
    assert (400, "BAD_REQUEST", "invalid_request_error") == (answer.status_code, error["code"], error["type"])
    assert (error["param"] or "").startswith(param or "")
    assert error["message"]
    assert "x-request-id" in answer.headers


def test_a_body_over_the_limit_is_a_413(http: httpx.Client):
    answer = http.post("/feedback", json=RATING | {"comment": "x" * 100_000})
    assert (413, "BODY_TOO_LARGE") == (answer.status_code, answer.json()["error"]["code"])


def test_every_refusal_was_survived(platform: Platform):
    assert (
        platform.openai()
        .chat.completions.create(model="auto", messages=[{"role": "user", "content": "Are you still there?"}])
        .choices
    )


@pytest.mark.parametrize("query", ["limit=0", "limit=501", "limit=x", "cursor=forged", "from=yesterday", "colour=red"])
def test_a_wrong_query_is_named(http: httpx.Client, query: str):
    answer = http.get(f"/decisions?{query}")
    assert (400, query.partition("=")[0]) == (answer.status_code, answer.json()["error"]["param"])


@pytest.mark.parametrize("authorization", [None, "Bearer", "Bearer sk-nobody", "Basic c2stYWNtZTo="])
@pytest.mark.parametrize("path", ["/chat/completions", "/feedback", "/routing/explain"])
def test_nobody_gets_in_without_a_key(platform: Platform, path: str, authorization: str | None):
    headers = {} if authorization is None else {"Authorization": authorization}
    answer = httpx.post(f"{platform.base_url}{path}", json=RATING, headers=headers)
    assert (401, "INVALID_API_KEY") == (answer.status_code, answer.json()["error"]["code"])


@pytest.mark.parametrize("path", ["/feedback", "/ratings"])
def test_a_reading_key_does_not_write(platform: Platform, path: str):
    headers = {"Authorization": "Bearer sk-acme-reader"}
    answer = httpx.post(f"{platform.base_url}{path}", json=RATING, headers=headers)
    assert (403, "FORBIDDEN") == (answer.status_code, answer.json()["error"]["code"])


def test_no_client_can_speak_for_the_gateway(platform: Platform, http: httpx.Client):
    forged = {"x-agent-gateway-identity": "v1.e30=.00"}
    assert (
        401 == httpx.post(platform.address("feedback_ingest", "/v1/feedback"), json=RATING, headers=forged).status_code
    )
    assert 200 == http.post("/feedback", json=RATING | {"session_id": uuid4().hex}, headers=forged).status_code


def test_another_tenants_decision_looks_like_none_at_all(platform: Platform, http: httpx.Client, session_id: str):
    raw = platform.openai("beta").chat.completions.with_raw_response.create(
        model="auto",
        messages=[{"role": "user", "content": "What is the capital of Spain?"}],
        extra_headers={"floopy-session-id": session_id},
    )
    request_id = raw.headers["x-request-id"]
    beta = {"Authorization": "Bearer sk-beta"}
    wait_until(
        lambda: http.get(f"/decisions/{request_id}", headers=beta).status_code == 200,
        timeout_s=20,
        what="the decision to be stored",
    )
    foreign, unknown = http.get(f"/decisions/{request_id}"), http.get(f"/decisions/{uuid4()}")
    assert (404, foreign.content) == (unknown.status_code, unknown.content)
    assert telling(foreign) == telling(unknown)
    assert [] == http.get("/decisions", params={"session_id": session_id}).json()["items"]


def test_another_tenants_request_cannot_be_rated(platform: Platform, http: httpx.Client, session_id: str):
    raw = platform.openai("beta").chat.completions.with_raw_response.create(
        model="auto",
        messages=[{"role": "user", "content": "What is the capital of Spain?"}],
        extra_headers={"floopy-session-id": session_id},
    )
    foreign = http.post("/ratings", json={"score": 0, "request_id": raw.headers["x-request-id"]})
    unknown = http.post("/ratings", json={"score": 0, "request_id": str(uuid4())})
    assert (404, foreign.content) == (unknown.status_code, unknown.content)
    assert telling(foreign) == telling(unknown)


def telling(answer: httpx.Response) -> dict[str, str]:
    """Return the headers that could tell two answers apart."""
    return {name: value for name, value in answer.headers.items() if name not in {"x-request-id", "date"}}
