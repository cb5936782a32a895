"""`labels` exports the labelled prompts of tenants that allow it, each once, and says what it left out."""

import asyncio
import json

import msgspec
import pytest
from redis.asyncio import Redis

from libs.contracts import state
from libs.contracts.events import FirewallVerdict, TranscriptRecorded, VerdictLabelled, VerdictReached
from libs.contracts.state import FirewallPolicy, TenantPolicy
from services.router import label_commands
from services.router.adapters import clickhouse_labels
from tests.integration.services.router.conftest import Record
from tests.unit.services.aggregator.world import request

AT_MS = 1_767_225_600_000  # 2026-01-01T00:00:00Z
FAR_MS = 4_000_000_000_000
RANGE = ("--from", "2026-01-01T00:00:00Z", "--to", "2026-01-02T00:00:00Z")
BODY = '{"messages": [{"role": "user", "content": "hello"}]}'
FLAGGED = FirewallVerdict(action="flag", score=0.7, category="prompt_injection", role="user")


def labelled(tenant: str, request_id: str | None, at_ms: int = AT_MS) -> VerdictLabelled:
    return VerdictLabelled(
        event_id=f"{tenant}-{request_id}",
        tenant=tenant,
        session_id="s",
        label="false_positive",
        labelled_at_ms=at_ms,
        request_id=request_id,
    )


def kept(tenant: str, request_id: str, expires_at_ms: int = FAR_MS) -> TranscriptRecorded:
    return TranscriptRecorded(
        event_id=request_id,
        request_id=request_id,
        tenant=tenant,
        session_id="s",
        created_at_ms=AT_MS,
        expires_at_ms=expires_at_ms,
        model="m",
        provider="p",
        request=BODY,
        response="{}",
    )


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(clickhouse_labels, "CHUNK", 5)


@pytest.fixture
async def exported(
    record: Record,
    redis: "Redis",
    clickhouse_url: str,
    redis_url: str,
    capsys: pytest.CaptureFixture,
):
    events = [labelled("willing", f"r{n:03}", AT_MS + n // 7) for n in range(12)]  # More than two chunks.
    await record([*events[:3], *events])  # The first three are delivered twice.
    await record([kept("willing", f"r{n:03}") for n in range(10)])
    await record(
        [kept("willing", "r010", expires_at_ms=1), labelled("willing", None), labelled("willing", "late", FAR_MS)]
    )
    await record([msgspec.structs.replace(request("r000"), tenant="willing", firewall=FLAGGED)])
    await record([labelled("unwilling", "r000"), kept("unwilling", "r000")])
    verdict = VerdictReached(
        event_id="v", tenant="willing", session_id="s", request_id="r000", action="flag", score=0.7, reached_at_ms=AT_MS
    )
    await record([verdict])
    for tenant, may_train in (("willing", True), ("unwilling", False)):
        policy = TenantPolicy(tenant=tenant, firewall=FirewallPolicy(may_train=may_train))
        await redis.set(state.policy(tenant), msgspec.json.encode(policy))

    async def export(*arguments: str) -> tuple[int, list[dict[str, object]], str]:
        env = {"CLICKHOUSE_URL": clickhouse_url, "REDIS_URL": redis_url}
        code = await asyncio.to_thread(label_commands.main, ("labels", *RANGE, *arguments), env=env)
        shown = capsys.readouterr()
        return code, [json.loads(line) for line in shown.out.splitlines()], shown.err

    return export


async def test_those_who_allow_it_are_exported_each_label_once(exported):
    code, rows, told = await exported()
    assert (0, [f"r{n:03}" for n in range(10)]) == (code, sorted(row["request_id"] for row in rows))
    assert "10 rows, 2 labels without a kept prompt, 1 tenants that do not allow it\n" == told
    assert {"tenant/willing"} == {row["source"] for row in rows}
    first = next(row for row in rows if row["request_id"] == "r000")
    assert ("hello", 0, "prompt_injection", "user") == tuple(
        first[key] for key in ("text", "label", "category", "role")
    )


async def test_an_operator_may_decide_for_a_tenant(exported):
    code, rows, told = await exported("--tenant", "unwilling")
    assert (1, []) == (code, rows)
    assert "1 tenants that do not allow it" in told
    code, rows, _ = await exported("--tenant", "unwilling", "--all")
    assert (0, ["tenant/unwilling"]) == (code, [row["source"] for row in rows])


def test_what_is_away_or_wrong_is_said(capsys: pytest.CaptureFixture[str]):
    away = {"CLICKHOUSE_URL": "clickhouse://127.0.0.1:1/default"}
    assert 1 == label_commands.main(["labels", *RANGE], env=away)
    assert 2 == label_commands.main(["labels", "--from", "yesterday", "--to", "now"], env=away)
