"""The firewall service as the gateway asks it over sockets: what is sent, and what every kind of failure becomes."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import aiohttp
import msgspec
import pytest
from aiohttp import web

from libs.contracts import http as wire
from libs.contracts.state import FirewallPolicy
from libs.kafka.settings import KafkaSettings
from libs.runtime.config import Secret
from libs.runtime.identity import verify
from libs.scanner.verdict import Verdict
from services.firewall.app import build_app as build_firewall
from services.firewall.config import FirewallConfig
from services.gateway.adapters.remote_firewall import MAX_BODY_BYTES, RemoteFirewall, RemoteScanError
from services.gateway.config import FirewallSettings, GatewayConfig
from tests.integration.services.gateway.conftest import INTERNAL_SECRET, served, serving
from tests.integration.services.gateway.test_service import ATTACK, metrics, post

SECRET = INTERNAL_SECRET.encode()
BODY = b'{"messages": [{"role": "user", "content": "hi"}],  "spaced": 1}'
POLICY = FirewallPolicy(scan_system=True, block_threshold=0.7)
VERDICT = Verdict(action="flag", score=0.6, category="prompt_injection", role="user", took_us=90)
HANDLER = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def asking(handler: HANDLER, now_s: Callable[[], float] = lambda: 0.0) -> AsyncIterator[RemoteFirewall]:
    app = web.Application()
    app.router.add_post(wire.FIREWALL_VERDICT_PATH, handler)
    async with served(app) as address:
        firewall = RemoteFirewall(address + "/", SECRET, deadline_s=0.5, epoch_s=now_s)
        yield firewall
        await firewall.close()


def answering(status: int, body: bytes) -> HANDLER:
    async def handler(_request: web.Request) -> web.Response:
        return web.Response(status=status, body=body)

    return handler


async def test_the_clients_bytes_are_sent_with_a_signed_identity_and_the_policy():
    seen = []

    async def handler(request: web.Request) -> web.Response:
        identity = verify(request.headers[wire.IDENTITY], SECRET, now=clock[0])
        policy = msgspec.json.decode(request.headers[wire.FIREWALL_POLICY], type=FirewallPolicy)
        seen.append((await request.read(), identity.tenant, policy))
        return web.Response(body=msgspec.json.encode(VERDICT))

    clock = [1000.0]
    async with asking(handler, lambda: clock[0]) as firewall:
        scanned = await firewall.scan(BODY, "acme", POLICY)
        clock[0] += 3600  # A signature is renewed before it expires.
        await firewall.scan(BODY, "beta", FirewallPolicy())
        await firewall.scan(BODY, "acme", POLICY)
    assert ("remote", VERDICT) == (scanned.scanner, scanned.verdict)
    assert [(BODY, "acme", POLICY), (BODY, "beta", FirewallPolicy()), (BODY, "acme", POLICY)] == seen


@pytest.mark.parametrize(
    ("status", "body", "reason", "fault"),
    [
        (200, b"", "broken", True),
        (200, b"{}", "broken", True),
        (200, b'{"action":"maybe","score":1,"category":"none","role":"user"}', "broken", True),
        (200, b"\xff", "broken", True),
        (401, b"{}", "broken", True),
        (503, b"{}", "broken", True),
        (400, b"{}", "refused", False),
        (413, b"{}", "refused", False),
    ],
)
async def test_anything_but_a_verdict_is_none(status: int, body: bytes, reason: str, *, fault: bool):
    async with asking(answering(status, body)) as firewall:
        with pytest.raises(RemoteScanError) as caught:
            await firewall.scan(BODY, "acme", POLICY)
    assert (reason, fault) == (caught.value.reason, caught.value.is_fault)


async def test_a_service_that_hangs_is_waited_for_until_the_deadline():
    gone = asyncio.Event()

    async def hang(_request: web.Request) -> web.StreamResponse:
        try:
            await asyncio.Event().wait()
        finally:
            gone.set()
        raise AssertionError

    async with asking(hang) as firewall:
        with pytest.raises(RemoteScanError, match="timeout"):
            await firewall.scan(BODY, "acme", POLICY)
        async with asyncio.timeout(5):
            await gone.wait()


async def test_a_service_that_is_away_is_unreachable_at_once():
    firewall = RemoteFirewall("http://127.0.0.1:1", SECRET, deadline_s=5, epoch_s=lambda: 0.0)
    with pytest.raises(RemoteScanError, match="unreachable"):
        await firewall.scan(BODY, "acme", POLICY)
    await firewall.close()


async def test_a_body_that_no_deadline_allows_for_is_not_sent():
    async with asking(answering(200, msgspec.json.encode(VERDICT))) as firewall:
        with pytest.raises(RemoteScanError, match="too_large"):
            await firewall.scan(b" " * (MAX_BODY_BYTES + 1), "acme", POLICY)


class TestGateway:
    """The two services together."""

    @pytest.fixture
    async def firewall(self, config: GatewayConfig) -> AsyncIterator[str]:
        settings = FirewallConfig(
            internal_secret=Secret(INTERNAL_SECRET),
            roles=("api",),
            redis=config.redis,
            kafka=KafkaSettings(bootstrap="127.0.0.1:1"),
        )
        async with served(build_firewall(settings)) as address:
            yield address

    async def test_the_service_gives_the_verdict(
        self, http: aiohttp.ClientSession, config: GatewayConfig, firewall: str
    ):
        remote = msgspec.structs.replace(config, firewall=FirewallSettings(url=(firewall,), deadline_s=5))
        async with serving(remote) as gateway:
            assert [400, 200] == [(await post(http, gateway, messages=ATTACK))[0], (await post(http, gateway))[0]]
            counted = await metrics(http, gateway)
        assert 'gateway_firewall_total{action="block",role="user",scanner="remote"} 1.0' in counted
        assert 'gateway_firewall_total{action="allow",role="user",scanner="remote"} 1.0' in counted

    async def test_without_the_service_nothing_fails_and_health_stays_as_it_was(
        self, http: aiohttp.ClientSession, config: GatewayConfig
    ):
        away = msgspec.structs.replace(config, firewall=FirewallSettings(url=("http://127.0.0.1:1",)))
        async with serving(away) as gateway:
            assert [400, 200] == [(await post(http, gateway, messages=ATTACK))[0], (await post(http, gateway))[0]]
            counted = await metrics(http, gateway)
            async with http.get(f"{gateway}/readyz") as response:
                assert "firewall" not in (await response.json())["checks"]
        assert 'gateway_firewall_total{action="block",role="user",scanner="local"} 1.0' in counted
        assert 'gateway_degraded_total{what="firewall_service_unreachable"} 2.0' in counted
