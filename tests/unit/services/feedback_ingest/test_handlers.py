"""The two paths answer as the wire contract says, errors included."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from libs.contracts import http
from libs.kafka.ports import PublishError
from libs.runtime.identity import Identity, require_identity, sign
from libs.runtime.server import new_app
from services.feedback_ingest.handlers import INTAKE, add_routes, render_refusals
from tests.unit.services.feedback_ingest.fakes import ticking
from tests.unit.services.feedback_ingest.test_pipeline import World

SECRET = b"between us"


class Client:
    def __init__(self, world: World, session: aiohttp.ClientSession) -> None:
        self.world = world
        self._session = session

    async def post(
        self, path: str, body: Any, *, headers: dict[str, str] | None = None, **claims: Any
    ) -> tuple[int, Any]:
        identity = Identity(
            **{"tenant": "acme", "key_id": "k1", "permissions": ("write",), "plan": "starter", "expires_at": 2**40}
            | claims
        )
        signed = {http.IDENTITY: sign(identity, SECRET)} | (headers or {})
        kind = {"data": body} if isinstance(body, bytes) else {"json": body}
        async with self._session.post(f"http://service{path}", headers=signed, **kind) as response:
            self.headers = response.headers
            return response.status, await response.json()

    async def rate(self, body: Any, **options: Any) -> tuple[int, Any]:
        return await self.post("/v1/feedback", body, **options)


@asynccontextmanager
async def serving(world: World, socket: Path) -> AsyncIterator[Client]:
    app = new_app("feedback_ingest", max_body_bytes=4096, middlewares=[require_identity(SECRET), render_refusals])
    app[INTAKE] = world.intake
    add_routes(app, ticking())
    runner = web.AppRunner(app)
    await runner.setup()
    await web.UnixSite(runner, str(socket)).start()
    async with aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(socket))) as session:
        yield Client(world, session)
    await runner.cleanup()


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[Client]:
    async with serving(World(), tmp_path / "s") as client:
        yield client


GOOD = {"score": 9, "useful": True}


async def test_a_rating_is_answered_with_its_session(client: Client):
    body = GOOD | {"session_id": "s-1"}
    assert (200, {"duplicate": False, "session_id": "s-1"}) == await client.rate(body)
    assert (200, {"duplicate": True, "session_id": "s-1"}) == await client.rate(body)


@pytest.mark.parametrize("header", http.SESSION_HEADERS)
async def test_every_session_header_is_understood(client: Client, header: str):
    _, answer = await client.rate(GOOD, headers={header.title(): "s-h"})
    assert answer["session_id"] == "s-h"


async def test_without_a_session_the_error_names_session_id(client: Client):
    status, answer = await client.rate(GOOD)
    assert (400, "BAD_REQUEST", "session_id") == (status, answer["error"]["code"], answer["error"]["param"])


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (GOOD | {"score": 11}, "score"),
        (GOOD | {"score": -1}, "score"),
        (GOOD | {"score": 9.5}, "score"),
        (GOOD | {"score": True}, "score"),
        (GOOD | {"score": "9"}, "score"),
        ({"useful": True}, "score"),
        ({"score": 9}, "useful"),
        (GOOD | {"session_id": 5}, "session_id"),
        ({"metric_name": "m", "value": 2.0, "episode_id": "e"}, "value"),
        ({"metric_name": "m", "value": True}, "episode_id"),
        ([GOOD], None),
        (b"{", None),
        (b"", None),
        (b'{"score":NaN,"useful":true}', None),
        (b'\xff{"score":9}', None),
    ],
)
async def test_a_wrong_body_names_its_field_and_is_not_recorded(client: Client, body: Any, param: str | None):
    status, answer = await client.rate(body, headers={"floopy-session-id": "s-1"})
    assert (400, "BAD_REQUEST", param) == (status, answer["error"]["code"], answer["error"]["param"])
    assert [] == client.world.events.published


async def test_an_endless_session_header_is_refused(client: Client):
    status, answer = await client.rate(GOOD, headers={"floopy-session-id": "s" * 257})
    assert (400, "session_id") == (status, answer["error"]["param"])


async def test_the_other_dialects_get_the_answers_they_know(client: Client):
    _, tensorzero = await client.rate({"metric_name": "solved", "value": True, "episode_id": "s-1"})
    _, portkey = await client.rate({"trace_id": "s-2", "value": -10})
    published = client.world.events.ratings()
    assert [1.0, 0.0] == [rating.score for rating in published]
    assert tensorzero["feedback_id"] == published[0].event_id
    assert ("success", [published[1].event_id]) == (portkey["status"], portkey["feedback_ids"])


async def test_over_quota_the_wait_is_one_that_an_sdk_can_sleep_through(client: Client):
    client.world.plans.limits["starter"] = 0
    status, answer = await client.rate(GOOD | {"session_id": "s-1"})
    assert (429, "MONTHLY_LIMIT_EXCEEDED") == (status, answer["error"]["code"])
    assert 1 <= int(client.headers["Retry-After"]) <= 60


async def test_a_reading_key_may_not_rate(client: Client):
    status, answer = await client.rate(GOOD, permissions=("read",))
    assert (403, "FORBIDDEN") == (status, answer["error"]["code"])


async def test_nobody_rates_without_the_gateways_signature(client: Client):
    status, answer = await client.rate(GOOD, headers={http.IDENTITY: "v1.e30=.forged"})
    assert (401, "INVALID_API_KEY") == (status, answer["error"]["code"])


async def test_what_could_not_be_stored_may_be_sent_again(client: Client):
    client.world.events.error = PublishError("disk full")
    status, answer = await client.rate(GOOD | {"session_id": "s-1"})
    assert (503, "SERVICE_UNAVAILABLE", "1") == (status, answer["error"]["code"], client.headers["Retry-After"])
    client.world.events.error = None
    assert (200, {"duplicate": True, "session_id": "s-1"}) == await client.rate(GOOD | {"session_id": "s-1"})
    assert 1 == len(client.world.events.published)


async def test_without_redis_only_a_named_session_can_be_rated(client: Client):
    client.world.sessions.down = client.world.ledger.down = True
    assert (await client.rate(GOOD))[0] == 503
    assert (200, {"duplicate": False, "session_id": "s-1"}) == await client.rate(GOOD | {"session_id": "s-1"})


async def test_an_admin_rates_a_request(client: Client):
    client.world.sessions.aliases["acme", "r-1"] = "s-1"
    assert (200, {"duplicate": False, "session_id": "s-1"}) == await client.post(
        "/v1/ratings", {"score": 4, "request_id": "r-1", "comment": "close"}
    )
    [rating] = client.world.events.ratings()
    assert ("manual", 0.4, "r-1", "k1") == (rating.source, rating.score, rating.request_id, rating.rater)


async def test_unknown_and_foreign_requests_look_the_same(client: Client):
    client.world.sessions.aliases["beta", "r-1"] = "s-1"
    answers = [await client.post("/v1/ratings", {"score": 4, "request_id": name}) for name in ("r-1", "r-2")]
    assert answers[0] == answers[1]
    assert (404, "not_found") == (answers[0][0], answers[0][1]["error"]["code"])


async def test_a_manual_rating_names_its_subject(client: Client):
    status, answer = await client.post("/v1/ratings", {"score": 4})
    assert (400, "request_id") == (status, answer["error"]["param"])
