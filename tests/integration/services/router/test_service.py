"""A router on real backends: the official SDK works, a change is in force when it is answered, and survives the loss of Redis."""

import asyncio
import csv
import hashlib
import json
from pathlib import Path

import aiohttp
import msgspec
import pytest
from floopy import FloopyNotFoundError
from redis.asyncio import Redis
from structlog.testing import capture_logs

from libs.contracts import state
from libs.contracts.state import ApiKey, RoutingRule, secret_sha256
from libs.runtime.background import SUPERVISOR
from libs.runtime.clock import epoch_s
from services.router import commands
from services.router.adapters.redis_read_model import lock_key
from services.router.config import RouterConfig
from tests.integration.services.router.conftest import Record, Router, Start, serving
from tests.support.kafka import KafkaBackend
from tests.unit.services.router.events import rating, request

RULE = {"name": "cheap", "strategy": "smart_cost", "targets": [{"model": "small"}, {"model": "large"}]}


async def call(
    router: Router, method: str, path: str, tenant: str, body: object = None
) -> tuple[int, dict[str, object]]:
    async with (
        aiohttp.ClientSession(headers=router.headers(tenant)) as session,
        session.request(method, f"{router.url}{path}", json=body) as response,
    ):
        return response.status, await response.json()


def founding(config: RouterConfig, kafka: KafkaBackend, folder: Path) -> RouterConfig:
    tenant, file = f"{kafka.prefix}acme", folder / "bootstrap.toml"
    file.write_text(
        f'[[tenants]]\ntenant = "{tenant}"\n[[keys]]\ntenant = "{tenant}"\nkey_id = "ci"\nsecret = "sk-{kafka.prefix}"\n'
    )
    return msgspec.structs.replace(config, bootstrap_file=file)


async def founded(redis: "Redis", kafka: KafkaBackend) -> None:
    async with asyncio.timeout(20):
        while not await redis.exists(state.api_key(secret_sha256(f"sk-{kafka.prefix}"))):  # noqa: ASYNC110 - in Redis
            await asyncio.sleep(0.02)


async def shell(
    config: RouterConfig, kafka: KafkaBackend, capsys: pytest.CaptureFixture[str], *arguments: str
) -> tuple[int, str]:
    env = {
        "REDIS_URL": config.redis.url,
        "KAFKA_BOOTSTRAP": kafka.bootstrap,
        "KAFKA_IDEMPOTENT": str(kafka.idempotent).lower(),
        "PROVIDERS_FILE": str(config.providers_file),
        "VISIBLE_WITHIN_S": "20",
    }
    code = await asyncio.to_thread(commands.main, arguments, env=env)
    return code, capsys.readouterr().out


async def test_a_rule_is_where_gateways_read_it_when_the_answer_comes(
    start: Start, config: RouterConfig, redis: "Redis", kafka: KafkaBackend
):
    tenant, router = f"{kafka.prefix}acme", await start(config)
    status, created = await call(router, "POST", "/v1/routing/rules", tenant, RULE)
    assert (201, "cheap") == (status, created["name"])
    stored = await redis.hget(state.rules(tenant), created["rule_id"])
    assert "smart_cost" == msgspec.json.decode(stored, type=RoutingRule).strategy
    status, deleted = await call(router, "DELETE", f"/v1/routing/rules/{created['rule_id']}", tenant)
    assert (200, True) == (status, deleted["deleted"])
    assert not await redis.hexists(state.rules(tenant), created["rule_id"])


async def test_a_lost_read_model_is_rebuilt_from_the_log(
    start: Start, config: RouterConfig, redis: "Redis", kafka: KafkaBackend
):
    tenant = f"{kafka.prefix}acme"
    async with serving(config) as router:
        _, created = await call(router, "POST", "/v1/routing/rules", tenant, RULE)
    await redis.flushdb()
    router = await start(config)
    async with asyncio.timeout(20):
        while not (await call(router, "GET", "/v1/routing/rules", tenant))[1]["data"]:  # noqa: ASYNC110 - over HTTP
            await asyncio.sleep(0.05)
    assert (200, created) == await call(router, "GET", f"/v1/routing/rules/{created['rule_id']}", tenant)


async def test_the_policy_file_is_in_force_once_the_router_runs(
    start: Start, config: RouterConfig, redis: "Redis", kafka: KafkaBackend, tmp_path: Path
):
    await start(founding(config, kafka, tmp_path))
    await founded(redis, kafka)


async def test_a_router_waits_for_the_lock_that_a_killed_one_left(
    start: Start,
    config: RouterConfig,
    redis: "Redis",
    kafka: KafkaBackend,
    *,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr("services.router.adapters.redis_read_model.LOCK_WAIT_S", 0.05)
    lock = lock_key(f"{kafka.prefix}acme")
    await redis.set(lock, "the killed one's", px=60_000)
    with capture_logs() as logs:
        router = await start(founding(config, kafka, tmp_path))
        async with asyncio.timeout(20):
            while [log["event"] for log in logs].count("bootstrap.waiting") < 2:  # noqa: ASYNC110 - a task's log
                await asyncio.sleep(0.02)
    assert router.app[SUPERVISOR].failure is None
    assert not await redis.exists(state.api_key(secret_sha256(f"sk-{kafka.prefix}")))
    await redis.delete(lock)
    await founded(redis, kafka)


async def test_a_redis_that_loses_its_data_under_way_ends_the_process_which_then_rebuilds(
    config: RouterConfig, redis: "Redis", kafka: KafkaBackend, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("services.router.app.CHECK_S", 0.05)
    async with serving(config) as router:
        await call(router, "POST", "/v1/routing/rules", f"{kafka.prefix}acme", RULE)
        await redis.flushdb()
        async with asyncio.timeout(20):
            await router.app[SUPERVISOR].wait()
        assert isinstance(router.app[SUPERVISOR].failure, ExceptionGroup)


async def test_the_sdk_reads_explains_iterates_and_exports(
    start: Start, config: RouterConfig, record: Record, kafka: KafkaBackend
):
    tenant = f"{kafka.prefix}acme"
    await record([request(n, tenant=tenant) for n in range(5)])
    await record([rating(0.9, tenant=tenant, nps=9)])
    router = await start(config)
    async with router.sdk(tenant) as floopy:
        decision = await floopy.decisions.get("r3")
        assert ("small", "mock", "ok", 42) == (
            decision.model,
            decision.provider,
            decision.status,
            decision.cost_micro_usd,
        )
        assert [("session", 0.9)] == [(r["source"], r["score"]) for r in decision.decision_trace["ratings"]]
        pages = [page async for page in floopy.decisions.pages(limit=2)]
        assert [["r4", "r3"], ["r2", "r1"], ["r0"]] == [[item.request_id for item in page.items] for page in pages]
        everything = {"from_": "2026-01-01T00:00:00Z", "to": "2026-01-02T00:00:00Z"}
        stream = floopy.export.decisions_with_trailer(**everything)
        assert ["r0", "r1", "r2", "r3", "r4"] == [row.request_id async for row in stream]
        assert (5, False) == (stream.trailer.rows_emitted, stream.trailer.truncated)
        answer = await floopy.routing.explain(model="auto", messages=[{"role": "user", "content": "prove it"}])
        assert ("allow", "mock") == (answer.firewall_decision, answer.would_select["provider"])
    async with router.sdk("stranger") as floopy:
        with pytest.raises(FloopyNotFoundError):
            await floopy.decisions.get("r3")


async def test_a_csv_export_proves_that_it_is_whole(
    start: Start, config: RouterConfig, record: Record, kafka: KafkaBackend
):
    tenant = f"{kafka.prefix}acme"
    await record([request(n, tenant=tenant, session_id='a,"b"') for n in range(3)])
    router = await start(config)
    query = "from=2026-01-01T00:00:00Z&to=2026-01-02T00:00:00Z&format=csv"
    async with (
        aiohttp.ClientSession(headers=router.headers(tenant)) as session,
        session.get(f"{router.url}/v1/export/decisions?{query}") as response,
    ):
        body = await response.text()
    *lines, last = body.splitlines(keepends=True)
    trailer = json.loads(last.removeprefix("# "))
    assert hashlib.sha256("".join(lines).encode()).hexdigest() == trailer["checksum_sha256"]
    assert ['a,"b"'] * 3 == [row["session_id"] for row in csv.DictReader(lines)]


async def test_a_key_made_in_a_shell_is_in_force_until_it_is_revoked(
    start: Start, config: RouterConfig, redis: "Redis", kafka: KafkaBackend, capsys: pytest.CaptureFixture[str]
):
    tenant = f"{kafka.prefix}acme"
    await start(config)

    async def run(*arguments: str) -> str:
        code, out = await shell(config, kafka, capsys, *arguments, "--tenant", tenant)
        assert 0 == code
        return out

    made = await run("keys", "create", "--key-id", "ci", "--rpm", "60")
    (secret,) = (line for line in made.splitlines() if line.startswith("ag-"))
    key = state.api_key(secret_sha256(secret))
    stored = msgspec.json.decode(await redis.get(key), type=ApiKey)
    assert ApiKey(key_id="ci", tenant=tenant, requests_per_minute=60) == stored
    await run("keys", "revoke", "ci", "--reason", "leaked")
    assert msgspec.json.decode(await redis.get(key), type=ApiKey).revoked
    assert "ci  revoked" in await run("keys", "list")


async def test_a_declared_policy_is_applied_once_and_shown_before_on_request(
    start: Start, config: RouterConfig, kafka: KafkaBackend, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    tenant, file = f"{kafka.prefix}acme", tmp_path / "policy.toml"
    file.write_text(
        f'[[tenants]]\ntenant = "{tenant}"\n[[rules]]\ntenant = "{tenant}"\nname = "cheap"\n'
        'targets = [{ model = "small" }]\n'
    )
    router = await start(config)

    async def apply(*arguments: str) -> str:
        code, out = await shell(config, kafka, capsys, "apply", str(file), *arguments)
        assert 0 == code
        return out

    assert "2 would change" in await apply("--dry-run")
    assert [] == (await call(router, "GET", "/v1/routing/rules", tenant))[1]["data"]
    assert f"created  rule  {tenant}/cheap" in await apply()
    assert ["cheap"] == [rule["name"] for rule in (await call(router, "GET", "/v1/routing/rules", tenant))[1]["data"]]
    assert "0 changed" in await apply()
    file.write_text(file.read_text().replace("small", "unheard-of"))
    assert 2 == (await shell(config, kafka, capsys, "apply", str(file)))[0]


async def test_the_decision_log_away_is_503_with_retry_after(start: Start, config: RouterConfig):
    away = msgspec.structs.replace(config.clickhouse, url=type(config.clickhouse.url)("clickhouse://127.0.0.1:1/x"))
    router = await start(msgspec.structs.replace(config, clickhouse=away))
    begin_s = epoch_s()
    async with (
        aiohttp.ClientSession(headers=router.headers("acme")) as session,
        session.get(f"{router.url}/v1/decisions") as response,
    ):
        assert (503, "2") == (response.status, response.headers["Retry-After"])
        assert "SERVICE_UNAVAILABLE" == (await response.json())["error"]["code"]
    assert epoch_s() - begin_s < config.clickhouse.timeout_s
