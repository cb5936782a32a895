"""What is personal or secret in a request is in no topic and no table; a tenant may want it otherwise."""

import asyncio
import json
from typing import Any

import httpx
import pytest
from aiokafka import AIOKafkaConsumer
from clickhouse_driver import Client

from libs.contracts import topics
from tests.e2e.platform import Platform
from tests.support.process import wait_until

DEADLINE_S = 30.0
EMAIL = "jane.doe@example.com"
CARD = "4111111111111111"
KEY = "sk-proj-Qm3kT8vZ1xRw5bNc7Lp2Jd9HsYg4Fa6E"
LEAKS = (EMAIL, CARD, KEY)


def body(**fields: Any) -> dict[str, Any]:
    arguments = json.dumps({"to": EMAIL, "card": int(CARD), "api_key": KEY})
    call = {"id": "c-1", "type": "function", "function": {"name": "pay", "arguments": arguments}}
    messages = [
        {"role": "user", "content": f"I am {EMAIL}\ncharge {CARD} with {KEY}"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c-1", "content": f"paid by {EMAIL}"},
    ]
    return {"model": "auto", "messages": messages, "user": EMAIL} | fields


def ask(platform: Platform, tenant: str, session_id: str, **fields: Any) -> str:
    """Send what should not be written down, in every place there is; return the request's id."""
    headers = {
        "Authorization": f"Bearer sk-{tenant}",
        "floopy-session-id": session_id,
        "floopy-user-id": EMAIL,
        "floopy-property-card": CARD,
    }
    answer = httpx.post(f"{platform.base_url}/chat/completions", json=body(**fields), headers=headers, timeout=30)
    assert 200 == answer.status_code, answer.text
    return answer.headers["x-request-id"]


def published(platform: Platform, request_id: str) -> str:
    """Return everything that topics and tables hold of a request."""
    records = asyncio.run(records_of(platform, request_id, topics.REQUESTS.name, topics.TRANSCRIPTS.name))
    return "\n".join((*records, rows_of(platform, request_id)))


async def records_of(platform: Platform, about: str, *topic_names: str) -> list[str]:
    """Return the last record about a request or session of each topic, once each has one."""
    names = set(topic_names)
    found: dict[str, str] = {}
    async with (
        AIOKafkaConsumer(*names, bootstrap_servers=platform.kafka_bootstrap, auto_offset_reset="earliest") as consumer,
        asyncio.timeout(DEADLINE_S),
    ):
        while found.keys() != names:
            for records in (await consumer.getmany(timeout_ms=100)).values():
                texts = ((record.topic, record.value.decode()) for record in records)
                found |= {topic: text for topic, text in texts if about in text}
    return list(found.values())


def rows_of(platform: Platform, request_id: str) -> str:
    with Client.from_url(platform.clickhouse_url) as clickhouse:

        def rows(table: str) -> list[Any]:
            query = f"SELECT * FROM {table} WHERE request_id = %(id)s"  # noqa: S608 - our own names
            return list(clickhouse.execute(query, {"id": request_id}))

        wait_until(
            lambda: bool(rows("requests") and rows("transcripts")),
            timeout_s=DEADLINE_S,
            what="the request and its bodies to be stored",
        )
        return repr(rows("requests") + rows("transcripts"))


@pytest.mark.parametrize("stream", [False, True])
def test_nothing_personal_is_published(platform: Platform, session_id: str, *, stream: bool):
    written = published(platform, ask(platform, "acme", f"{EMAIL}/{session_id}", stream=stream))
    assert [] == [leak for leak in LEAKS if leak in written]
    assert all(placeholder in written for placeholder in ("[email]", "[card]", "[secret]"))


def test_a_tenant_may_publish_bodies_as_they_are(platform: Platform, session_id: str):
    written = published(platform, ask(platform, "outspoken", session_id))
    assert all(leak in written for leak in LEAKS)


def test_a_tenant_may_join_what_it_does_not_see(platform: Platform, session_id: str):
    written = published(platform, ask(platform, "joining", session_id))
    assert [] == [leak for leak in LEAKS if leak in written]
    digests = {part.partition("]")[0] for part in written.split("[email:")[1:]}
    assert 1 == len(digests)


def test_a_session_with_an_address_in_its_id_is_rated_and_found_by_that_id(platform: Platform):
    session_id = f"chat with {EMAIL}"
    request_id = ask(platform, "joining", session_id)
    rating = platform.floopy("joining").feedback.submit(score=9, useful=True, session_id=session_id)
    assert EMAIL not in rating.session_id
    wait_until(lambda: platform.rated_sessions("joining") == 1, timeout_s=DEADLINE_S, what="the rating in the weights")
    rows_of(platform, request_id)
    headers = {"Authorization": "Bearer sk-joining"}
    found = httpx.get(f"{platform.base_url}/decisions", params={"session_id": session_id}, headers=headers).json()
    assert [(request_id, rating.session_id)] == [(item["request_id"], item["session_id"]) for item in found["items"]]
    events = asyncio.run(records_of(platform, rating.session_id, topics.FEEDBACK.name))
    assert [] == [event for event in events if EMAIL in event]
