"""The router's application on fakes, behind a Unix socket."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from libs.contracts import http
from libs.providers.catalogue import Catalogue, Model, Price, Provider
from libs.redaction.sessions import SessionNames
from libs.runtime.identity import Identity, require_identity, sign
from libs.runtime.server import REGISTRY, new_app
from services.router.control import Control
from services.router.handlers import decisions, explain, optimization, rules, wiring
from services.router.handlers.wiring import CursorSecret, Limits, Stamps, translate_refusals
from services.router.metrics import RouterMetrics
from tests.unit.services.router.fakes import (
    FakeAuditLog,
    FakeControlLog,
    FakeDecisionLog,
    FakeFirewall,
    FakeLiveState,
    FakeOutcomeLog,
    FakeReadModel,
)

SECRET = b"between us"
NOW_MS = 1_767_225_600_000


def model(name: str, **fields: Any) -> Model:
    price = Price(fresh_input=1.0, cache_read=0.1, cache_write=1.0, output=2.0)
    return Model(id=name, provider="mock", upstream_id=name, family=name, price=price, **fields)


CATALOGUE = Catalogue(
    providers={"mock": Provider(name="mock", base_url="http://mock/v1")},
    models={name: model(name) for name in ("small", "large")} | {"blind": model("blind", tools=False)},
)


class World:
    """Every port of the router as a fake."""

    def __init__(self) -> None:
        self.read_model = FakeReadModel()
        self.log = FakeControlLog(self.read_model)
        self.decisions = FakeDecisionLog()
        self.live = FakeLiveState()
        self.outcomes = FakeOutcomeLog()
        self.audit = FakeAuditLog()
        self.firewall = FakeFirewall()
        self.control = Control(self.log, self.read_model, visible_within_s=0.05)

    def app(self, limits: Limits) -> web.Application:
        app = new_app("router", max_body_bytes=65_536, middlewares=[require_identity(SECRET), translate_refusals])
        ids, times = count(1), count(NOW_MS)
        app[wiring.STAMPS] = Stamps(clock_ms=lambda: next(times), new_id=lambda: f"id-{next(ids)}")
        app[wiring.CONTROL] = self.control
        app[wiring.CATALOGUE] = CATALOGUE
        app[wiring.LIMITS] = limits
        app[wiring.METRICS] = RouterMetrics(app[REGISTRY])
        app[wiring.CURSOR_SECRET] = CursorSecret(SECRET)
        app[wiring.SESSION_NAMES] = SessionNames(SECRET.decode())
        app[wiring.DECISION_LOG] = self.decisions
        app[wiring.AUDIT_LOG] = self.audit
        app[wiring.OUTCOME_LOG] = self.outcomes
        app[wiring.LIVE_STATE] = self.live
        app[wiring.FIREWALL] = self.firewall
        for feature in (rules, optimization, explain, decisions):
            feature.add_routes(app)
        return app


class Client:
    """A caller of tenant acme with every permission, unless it says otherwise."""

    def __init__(self, world: World, session: aiohttp.ClientSession) -> None:
        self.world = world
        self._session = session

    async def ask(
        self, method: str, path: str, body: Any = None, *, headers: dict[str, str] | None = None, **claims: Any
    ) -> "Answer":
        fields = {"tenant": "acme", "key_id": "ci", "permissions": ("read", "write"), "expires_at": 2**40} | claims
        signed = {http.IDENTITY: sign(Identity(**fields), SECRET)} | (headers or {})
        kind = {"data": body} if isinstance(body, bytes) else {} if body is None else {"json": body}
        async with self._session.request(method, f"http://router{path}", headers=signed, **kind) as response:
            return Answer(response.status, response.headers, await response.read())


class Answer:
    """Status, headers and body of one answer."""

    def __init__(self, status: int, headers: Mapping[str, str], raw: bytes) -> None:
        self.status = status
        self.headers = headers
        self.raw = raw

    @property
    def body(self) -> Any:
        return json.loads(self.raw)

    @property
    def error(self) -> tuple[int, str, str | None]:
        error = self.body["error"]
        return self.status, error["code"], error["param"]


@asynccontextmanager
async def serving(socket: Path, limits: Limits | None = None) -> AsyncIterator[Client]:
    """Serve a new world on *socket*."""
    world = World()
    runner = web.AppRunner(world.app(limits or Limits(landing_wait_s=0.0)))
    await runner.setup()
    await web.UnixSite(runner, str(socket)).start()
    async with aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(socket))) as session:
        yield Client(world, session)
    await runner.cleanup()
