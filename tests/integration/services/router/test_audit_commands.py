"""`replay` and `what-if` on the log as the aggregator stores it: faithful records pass, a forged one and missing weights fail."""

import asyncio
from pathlib import Path

import msgspec
import pytest

from libs.contracts.events import RequestCompleted
from libs.contracts.state import TenantPolicy
from libs.routing.priors import day0, load_priors
from libs.routing.selection import RoutingRequest, decide, seed_of
from services.router import audit_commands
from tests.integration.services.router.conftest import Record
from tests.unit.services.router.test_replaying import OWN, decided
from tests.unit.services.router.traffic import MODELS, traffic
from tests.unit.services.router.traffic import OWN as OWN_WEIGHTS

RANGE = ["--from", "2026-01-01T00:00:00Z", "--to", "2026-01-02T00:00:00Z"]


async def run(clickhouse_url: str, *arguments: str) -> int:
    env = {"CLICKHOUSE_URL": clickhouse_url}
    return await asyncio.to_thread(audit_commands.main, arguments, env=env)


def forged(event: RequestCompleted) -> RequestCompleted:
    return msgspec.structs.replace(event, decision=msgspec.structs.replace(event.decision, propensity=0.5))


async def test_every_decision_comes_out_as_it_was_logged(
    clickhouse_url: str, record: Record, capsys: pytest.CaptureFixture[str]
):
    other = msgspec.structs.replace(decided(9), tenant="other", decision=None)
    await record([*(decided(n) for n in range(5)), other, *OWN])
    assert 0 == await run(clickhouse_url, "replay", *RANGE)
    shown = capsys.readouterr()
    assert "5 decisions replayed, 0 differ\n" == shown.out
    assert "100%" in shown.err


async def test_a_forged_record_fails_and_is_shown(
    clickhouse_url: str, record: Record, capsys: pytest.CaptureFixture[str]
):
    await record([decided(0), forged(decided(1)), *OWN])
    assert 1 == await run(clickhouse_url, "replay", *RANGE, "--tenant", "acme")
    assert "acme r1  propensity: logged 0.5, replayed " in capsys.readouterr().out


async def test_weights_that_the_log_lacks_fail(clickhouse_url: str, record: Record):
    await record([decided(0)])
    assert 1 == await run(clickhouse_url, "replay", *RANGE)


async def test_a_log_that_is_away_or_a_range_that_is_none_is_said(capsys: pytest.CaptureFixture[str]):
    assert 1 == await run("clickhouse://127.0.0.1:1/default", "replay", *RANGE)
    assert 2 == await run("clickhouse://127.0.0.1:1/default", "replay", "--from", "yesterday", "--to", "now")
    assert "from: use RFC 3339" in capsys.readouterr().err


async def test_another_policy_is_estimated_or_refused(
    clickhouse_url: str, record: Record, capsys: pytest.CaptureFixture[str]
):
    requests, ratings = traffic(120, hops=1)
    await record([*requests, *ratings, OWN_WEIGHTS])
    asked = ["what-if", *RANGE, "--tenant", "acme"]
    assert 0 == await run(clickhouse_url, *asked, "--cost-weight", "0")
    answer = msgspec.json.decode(capsys.readouterr().out)
    assert ({"cost_weight": 0.0}, None, 120) == (answer["policy"], answer["refused"], answer["overlap"]["draws"])
    assert pytest.approx(answer["logged"]["value"]) == answer["snips"]["value"]
    assert 1 == await run(clickhouse_url, *asked, "--model", "huge")
    assert "could never have been made" in msgspec.json.decode(capsys.readouterr().out)["refused"]
    assert 2 == await run(clickhouse_url, *asked)
    assert 2 == await run(clickhouse_url, *asked, "--source-weights", "session")


async def test_decisions_on_another_day_0_table_are_replayed_with_that_table(
    clickhouse_url: str, record: Record, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    table = msgspec.structs.replace(load_priors(), price_intercept=1.0)
    file = tmp_path / "table.json"
    file.write_bytes(msgspec.json.encode(table))
    weights = day0(table, MODELS.values(), now_ms=0)
    event = decided(0)
    request = RoutingRequest(
        tenant=event.tenant, session_id=event.session_id, task="chat", policy=TenantPolicy(tenant=event.tenant)
    )
    seed = seed_of(event.tenant, event.session_id, "chat")
    await record([msgspec.structs.replace(event, decision=decide(request, weights, MODELS, seed=seed))])
    assert 1 == await run(clickhouse_url, "replay", *RANGE)
    assert "of another table of benchmarks" in capsys.readouterr().out
    assert 0 == await run(clickhouse_url, "replay", *RANGE, "--benchmarks", str(file))
    assert "1 decisions replayed, 0 differ\n" == capsys.readouterr().out


async def test_a_table_that_nobody_can_use_is_wrong_input(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    file = tmp_path / "table.json"
    file.write_bytes(b"{}")
    assert 2 == await run("clickhouse://127.0.0.1:1/default", "replay", *RANGE, "--benchmarks", str(file))
    assert "missing required field" in capsys.readouterr().err
