"""The decision log over HTTP: the tenant's own, in pages that cannot be forged, and exports that say whether they are whole."""

import hashlib
import json
from pathlib import Path

import pytest

from libs.redaction.sessions import SessionNames
from services.router.domain.transcripts import Turn
from services.router.handlers.wiring import Limits
from tests.unit.services.router.events import rating, request
from tests.unit.services.router.serving import SECRET, Client, serving

RANGE = "from=2026-01-01T00:00:00Z&to=2026-01-02T00:00:00Z"


async def test_a_decision_has_the_keys_of_the_sdk_the_trace_and_its_ratings(client: Client):
    client.world.decisions.requests = [request(1)]
    client.world.decisions.given = [rating(0.9, nps=9)]
    body = (await client.ask("GET", "/v1/decisions/r1")).body
    assert ("r1", "s1", "small", True, None) == tuple(
        body[key] for key in ("request_id", "session_id", "model", "cache_enabled", "threat")
    )
    assert "2026-01-01T00:00:00.001Z" == body["request_created_at"]
    assert ("feedback_driven", 7, 0.9) == (
        body["decision_trace"]["strategy"],
        body["decision_trace"]["snapshot_version"],
        body["decision_trace"]["ratings"][0]["score"],
    )


async def test_an_unknown_decision_and_a_foreign_one_are_the_same_answer(client: Client):
    client.world.decisions.requests = [request(1)]
    foreign = await client.ask("GET", "/v1/decisions/r1", tenant="other")
    unknown = await client.ask("GET", "/v1/decisions/r2", tenant="other")
    assert (404, foreign.raw) == (foreign.status, unknown.raw)


async def test_a_decision_whose_row_is_landing_is_waited_for(tmp_path: Path):
    async with serving(tmp_path / "s", Limits(landing_wait_s=1.0)) as client:
        client.world.decisions.requests = [request(1)]
        client.world.decisions.lands_after = 1
        assert 200 == (await client.ask("GET", "/v1/decisions/r1")).status


async def test_a_session_is_looked_up_by_the_id_that_its_client_gave(client: Client):
    name = SessionNames(SECRET.decode()).of("acme", "jane@example.com")
    client.world.decisions.requests = [request(0), request(1, session_id=name)]
    items = (await client.ask("GET", "/v1/decisions?session_id=jane@example.com")).body["items"]
    assert [("r1", name)] == [(item["request_id"], item["session_id"]) for item in items]


async def test_pages_hang_together(client: Client):
    client.world.decisions.requests = [request(n) for n in range(5)]
    seen, cursor = [], ""
    for _ in range(3):
        page = (await client.ask("GET", f"/v1/decisions?limit=2{cursor}")).body
        seen += [item["request_id"] for item in page["items"]]
        cursor = f"&cursor={page['next_cursor']}"
    assert (["r4", "r3", "r2", "r1", "r0"], False, None) == (seen, page["has_more"], page["next_cursor"])


@pytest.mark.parametrize("query", ["session_id=s1&limit=1", "limit=1"])
async def test_a_cursor_continues_its_own_listing_of_its_own_tenant_only(client: Client, query: str):
    client.world.decisions.requests = [request(n) for n in range(3)]
    cursor = (await client.ask("GET", "/v1/decisions?limit=1")).body["next_cursor"]
    mine = await client.ask("GET", f"/v1/decisions?{query}&cursor={cursor}")
    foreign = await client.ask("GET", f"/v1/decisions?limit=1&cursor={cursor}", tenant="other")
    assert (200 if query == "limit=1" else 400) == mine.status
    assert (400, "BAD_REQUEST", "cursor") == foreign.error


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("colour=red", "colour"),
        ("limit=0", "limit"),
        ("limit=501", "limit"),
        ("limit=ten", "limit"),
        ("from=yesterday", "from"),
        ("to=2026-01-01T00:00:00", "to"),
        ("cursor=abc", "cursor"),
        ("session_id=", "session_id"),
    ],
)
async def test_a_wrong_parameter_is_named(client: Client, query: str, param: str):
    assert (400, "BAD_REQUEST", param) == (await client.ask("GET", f"/v1/decisions?{query}")).error


async def test_an_export_ends_with_a_trailer_that_proves_it(client: Client):
    client.world.decisions.requests = [request(n) for n in range(5)]
    answer = await client.ask("GET", f"/v1/export/decisions?{RANGE}")
    *rows, trailer = answer.raw.splitlines(keepends=True)
    assert ["r0", "r1", "r2", "r3", "r4"] == [json.loads(row)["request_id"] for row in rows]
    checksum = hashlib.sha256(b"".join(rows)).hexdigest()
    said = {"trailer": True, "rows_emitted": 5, "truncated": False, "reason": None, "checksum_sha256": checksum}
    assert said == json.loads(trailer)
    assert answer.headers["x-request-id"]


async def test_an_export_that_breaks_says_so_in_its_trailer(client: Client):
    client.world.decisions.requests = [request(n) for n in range(5)]
    client.world.decisions.broken_after = 1
    trailer = json.loads((await client.ask("GET", f"/v1/export/decisions?{RANGE}")).raw.splitlines()[-1])
    assert (2, True, "decision_log_unavailable") == (trailer["rows_emitted"], trailer["truncated"], trailer["reason"])


@pytest.mark.parametrize(("most", "truncated"), [(3, True), (4, True), (5, False)])
async def test_an_export_is_bounded_and_says_so(tmp_path: Path, most: int, *, truncated: bool):
    async with serving(tmp_path / "s", Limits(export_rows=most)) as client:
        client.world.decisions.requests = [request(n) for n in range(5)]
        trailer = json.loads((await client.ask("GET", f"/v1/export/decisions?{RANGE}")).raw.splitlines()[-1])
    assert (most, truncated) == (trailer["rows_emitted"], trailer["truncated"])
    assert ("row_limit" if truncated else None) == trailer["reason"]


async def test_an_empty_export_is_a_trailer(client: Client):
    lines = (await client.ask("GET", f"/v1/export/decisions?{RANGE}&format=csv")).raw.splitlines()
    assert (2, True) == (len(lines), lines[1].startswith(b'# {"trailer":true'))


@pytest.mark.parametrize(
    ("query", "param"), [("to=2026-01-02T00:00:00Z", "from"), (f"{RANGE}&format=xml", "format"), (f"{RANGE}&x=1", "x")]
)
async def test_a_wrong_export_parameter_is_named(client: Client, query: str, param: str):
    assert (400, "BAD_REQUEST", param) == (await client.ask("GET", f"/v1/export/decisions?{query}")).error


async def test_a_session_is_its_conversation(client: Client):
    client.world.decisions.turns = [
        Turn(
            request_id="r1",
            created_at_ms=0,
            model="small",
            provider="mock",
            request='{"messages":[{"role":"user","content":"hi"}]}',
            response='{"choices":[{"message":{"role":"assistant","content":"hello"}}]}',
        )
    ]
    body = (await client.ask("GET", "/v1/session/s1")).body
    assert (["hi", "hello"], 1) == ([message["content"] for message in body["messages"]], body["turn_count"])
    assert (404, "not_found", None) == (await client.ask("GET", "/v1/session/s1", tenant="other")).error


@pytest.mark.parametrize(
    "path", ["/v1/decisions", "/v1/decisions/r1", f"/v1/export/decisions?{RANGE}", "/v1/session/s"]
)
async def test_without_the_decision_log_it_is_503_with_retry_after(client: Client, path: str):
    client.world.decisions.down = True
    answer = await client.ask("GET", path)
    assert ((503, "SERVICE_UNAVAILABLE", None), "2") == (answer.error, answer.headers["Retry-After"])


async def test_reading_needs_the_permission(client: Client):
    assert (403, "FORBIDDEN", None) == (await client.ask("GET", "/v1/decisions", permissions=("write",))).error
