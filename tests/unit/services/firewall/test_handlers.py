"""The path answers as the wire contract says, errors included."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
from aiohttp import web

from libs.contracts import http
from libs.contracts.state import FirewallPolicy
from libs.runtime.identity import Identity, require_identity, sign
from libs.runtime.server import new_app
from libs.scanner.scanner import ScannerBusyError, ScannerFailedError, ScannerTimeoutError
from libs.scanner.verdict import Band, Verdict
from services.firewall.handlers import INSPECTOR, LABELLING, add_routes
from tests.unit.services.firewall.fakes import BLOCK, World

SECRET = b"between us"
IDENTITY = Identity(tenant="acme", key_id="k1", permissions=("read",), expires_at=2**40)
R1, R2 = "00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000002"
WRITER = msgspec.structs.replace(IDENTITY, permissions=("write",))


class Client:
    def __init__(self, session: aiohttp.ClientSession, world: World) -> None:
        self.world = world
        self._session = session

    async def scan(self, body: Any, secret: bytes = SECRET) -> tuple[int, Any]:
        return await self.post("scan", body, secret)

    async def verdict(self, body: Any, policy: FirewallPolicy | None = None) -> tuple[int, Any]:
        headers = {} if policy is None else {http.FIREWALL_POLICY: msgspec.json.encode(policy).decode()}
        return await self.post("verdict", body, headers=headers)

    async def label(self, body: Any, identity: Identity = WRITER) -> tuple[int, Any]:
        return await self.post("feedback", body, identity=identity)

    async def post(
        self,
        path: str,
        body: Any,
        secret: bytes = SECRET,
        headers: dict[str, str] | None = None,
        identity: Identity = IDENTITY,
    ) -> tuple[int, Any]:
        kind: dict[str, Any] = {"data": body} if isinstance(body, bytes) else {"json": body}
        signed = {http.IDENTITY: sign(identity, secret)} | (headers or {})
        async with self._session.post(f"http://service/v1/firewall/{path}", headers=signed, **kind) as response:
            self.headers = response.headers
            return response.status, await response.json()


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[Client]:
    world = World({"evil": BLOCK})
    app = new_app("firewall", max_body_bytes=20_000, middlewares=[require_identity(SECRET)])
    app[INSPECTOR] = world.inspector
    app[LABELLING] = world.labelling
    add_routes(app)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.UnixSite(runner, str(tmp_path / "s")).start()
    async with aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(tmp_path / "s"))) as session:
        yield Client(session, world)
    await runner.cleanup()


async def test_each_input_gets_its_result_in_order_without_evidence(client: Client):
    status, answer = await client.scan({"inputs": ["fine", "evil"]})
    assert 200 == status
    assert ["allow", "block"] == [result["action"] for result in answer["results"]]
    assert {
        "action": "block",
        "score": 0.97,
        "category": "indirect_injection",
        "role": "tool",
        "took_us": 150,
    } == answer["results"][1]


async def test_evidence_is_given_to_who_asks(client: Client):
    _, answer = await client.scan({"input": "evil", "explain": True})
    assert ["evil"] == answer["results"][0]["evidence"]


async def test_the_tenants_own_limits_hold(client: Client):
    client.world.policies.policies["acme"] = FirewallPolicy(block_threshold=0.3)
    assert Band(flag=0.3, block=0.3) == (await client.world.inspector.thresholds_of("acme")).default
    assert 200 == (await client.scan({"input": "x"}))[0]


async def test_without_redis_the_calibrated_limits_hold_and_that_is_counted(client: Client):
    client.world.policies.down = True
    assert 200 == (await client.scan({"input": "x"}))[0]
    assert 1 == client.world.counted("without_policy")


@pytest.mark.parametrize(
    ("body", "param"),
    [(b"{", None), (b"[]", None), ({}, "input"), ({"inputs": [1]}, "inputs.0"), ({"input": "x", "role": "x"}, None)],
)
async def test_a_body_that_cannot_be_scanned_names_what_is_wrong(client: Client, body: Any, param: str | None):
    status, answer = await client.scan(body)
    assert (400, "BAD_REQUEST", param) == (status, answer["error"]["code"], answer["error"]["param"])


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (ScannerBusyError(), 503, "SERVICE_UNAVAILABLE"),
        (ScannerFailedError(), 503, "SERVICE_UNAVAILABLE"),
        (ScannerTimeoutError(), 504, "GATEWAY_TIMEOUT"),
    ],
)
async def test_no_verdict_is_never_an_allow(client: Client, error: Any, status: int, code: str):
    client.world.answers["odd"] = error
    assert (status, code) == ((answer := await client.scan({"inputs": ["fine", "odd"]}))[0], answer[1]["error"]["code"])


async def test_a_stranger_is_refused_and_a_large_body_too(client: Client):
    assert 401 == (await client.scan({"input": "x"}, secret=b"guessed"))[0]
    assert 413 == (await client.scan({"input": "x" * 25_000}))[0]


CHAT = {"messages": [{"role": "system", "content": "evil"}, {"role": "user", "content": "hi"}], "inputs": ["fine"]}


class TestVerdict:
    async def test_a_gateways_request_is_judged_as_it_came_under_the_policy_that_came_with_it(self, client: Client):
        client.world.policies.down = True
        status, answer = await client.verdict(CHAT, FirewallPolicy(scan_system=True))
        assert (200, BLOCK) == (status, msgspec.convert(answer | {"evidence": ["evil"]}, Verdict))
        assert "evidence" not in answer
        assert 0 == client.world.counted("without_policy")
        assert 1 == client.world.counted("verdicts", origin="gateway", action="block", role="tool")

    async def test_without_one_the_tenants_own_holds(self, client: Client):
        assert "allow" == (await client.verdict(CHAT))[1]["action"]
        client.world.policies.policies["acme"] = FirewallPolicy(scan_system=True)
        assert "block" == (await client.verdict(CHAT))[1]["action"]

    @pytest.mark.parametrize("body", [b"{", b"[]", b"\xff"])
    async def test_a_body_that_cannot_be_read_is_the_requests_fault(self, client: Client, body: bytes):
        assert (400, "BAD_REQUEST") == ((answer := await client.verdict(body))[0], answer[1]["error"]["code"])

    async def test_no_verdict_is_never_an_allow(self, client: Client):
        client.world.answers["hi"] = ScannerTimeoutError()
        assert 504 == (await client.verdict(CHAT))[0]


class TestFeedback:
    @pytest.fixture(autouse=True)
    def remembered(self, client: Client):
        client.world.sessions.aliases["acme", R1] = "s-1"

    async def test_a_label_is_taken_once(self, client: Client):
        body = {"label": "false_positive", "request_id": R1, "comment": "ours"}
        told = {"label": "false_positive", "session_id": "s-1", "request_id": R1}
        assert (200, {"duplicate": False} | told) == await client.label(body)
        assert (200, {"duplicate": True} | told) == await client.label(body)

    @pytest.mark.parametrize(
        ("body", "param"),
        [
            (b"{", None),
            ({"request_id": R1}, "label"),
            ({"label": "good", "request_id": R1}, "label"),
            ({"label": "correct"}, "request_id"),
            ({"label": "correct", "request_id": ""}, "request_id"),
            ({"label": "correct", "request_id": "chatcmpl-1"}, "request_id"),
            ({"label": "correct", "request_id": "eva@example.com", "session_id": "s"}, "request_id"),
            ({"label": "correct", "session_id": "s" * 257}, "session_id"),
            ({"label": "correct", "session_id": "s", "comment": "x" * 2001}, "comment"),
            ({"label": "correct", "session_id": "s", "comment": 5}, "comment"),
            ({"label": "correct", "session_id": "s", "text": "x" * 16_001}, "text"),
            ({"label": "correct", "session_id": "s", "text": "no consent"}, "text"),
        ],
    )
    async def test_a_wrong_body_names_its_field(self, client: Client, body: Any, param: str | None):
        status, answer = await client.label(body)
        assert (400, "BAD_REQUEST", param) == (status, answer["error"]["code"], answer["error"]["param"])
        assert [] == client.world.events.verdicts

    async def test_what_cannot_be_labelled_says_why(self, client: Client):
        assert 404 == (await client.label({"label": "correct", "request_id": R2}))[0]
        assert 200 == (await client.label({"label": "correct", "request_id": R1}))[0]
        status, answer = await client.label({"label": "false_positive", "request_id": R1})
        assert (409, "CONFLICT", "label") == (status, answer["error"]["code"], answer["error"]["param"])

    async def test_a_reading_key_labels_nothing(self, client: Client):
        assert 403 == (await client.label({"label": "correct", "request_id": R1}, IDENTITY))[0]

    async def test_a_label_that_may_be_lost_is_not_taken(self, client: Client):
        client.world.events.down = True
        assert 503 == (await client.label({"label": "correct", "request_id": R1}))[0]
