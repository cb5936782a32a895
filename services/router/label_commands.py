"""The command `labels`: what tenants said of the firewall's verdicts, as JSON lines to train the scanner with."""

import argparse
import asyncio
import os
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

import msgspec
from redis.asyncio import Redis
from redis.exceptions import RedisError

from libs.contracts import state
from libs.contracts.state import TenantPolicy
from libs.runtime import config as configuration
from libs.runtime.config import ConfigError
from libs.runtime.redis import new_redis
from libs.runtime.terminal import fail
from services.router.adapters.clickhouse_decisions import ClickHouseDecisions
from services.router.adapters.clickhouse_labels import ClickHouseLabels
from services.router.config import LabelsConfig
from services.router.domain.queries import Filters, read_export
from services.router.domain.refusals import RefusedError
from services.router.domain.training import training_row
from services.router.ports import DecisionLogUnavailableError, LabelLog

COMMANDS = ("labels",)
EXIT_OK, EXIT_FAILED, EXIT_USAGE = 0, 1, 2


class _Tally(msgspec.Struct):
    written: int = 0
    without_text: int = 0
    forbidden: int = 0


def main(argv: Sequence[str], *, env: Mapping[str, str] | None = None) -> int:
    """Run the command and return the exit code: 0 exported, 1 not allowed or away, 2 wrong input."""
    arguments = _parser().parse_args(argv)
    try:
        config = configuration.load(LabelsConfig, env=os.environ if env is None else env)
        return asyncio.run(_run(arguments, config))
    except (ConfigError, RefusedError) as error:
        return fail("router", str(error), EXIT_USAGE)
    except (DecisionLogUnavailableError, RedisError) as error:
        return fail("router", f"{type(error).__name__}: {error}", EXIT_FAILED)


async def _run(arguments: argparse.Namespace, config: LabelsConfig) -> int:
    filters = read_export(arguments.tenant or "*", {"from": arguments.begin, "to": arguments.end}).filters
    async with _backends(config) as (log, redis):
        asked = [arguments.tenant] if arguments.tenant else await _labelling(log, filters)
        allowed = asked if arguments.all else [tenant for tenant in asked if await _may_train(redis, tenant)]
        tally = _Tally(forbidden=len(asked) - len(allowed))
        for tenant in allowed:
            await _export(log, tenant, filters, tally)
    sys.stderr.write(
        f"{tally.written} rows, {tally.without_text} labels without a kept prompt, {tally.forbidden} tenants that do not allow it\n"
    )
    return EXIT_OK if allowed or not asked else EXIT_FAILED


async def _labelling(log: LabelLog, filters: Filters) -> Sequence[str]:
    return await log.tenants(from_ms=filters.from_ms or 0, to_ms=filters.to_ms or 0)


async def _may_train(redis: "Redis", tenant: str) -> bool:
    value = await redis.get(state.policy(tenant))
    return value is not None and msgspec.json.decode(value, type=TenantPolicy).firewall.may_train


async def _export(log: LabelLog, tenant: str, filters: Filters, tally: _Tally) -> None:
    async for prompts in log.prompts(tenant, from_ms=filters.from_ms or 0, to_ms=filters.to_ms or 0):
        for prompt in prompts:
            row = training_row(prompt)
            if row is None:
                tally.without_text += 1
                continue
            sys.stdout.write(msgspec.json.encode(row).decode() + "\n")
            tally.written += 1


@asynccontextmanager
async def _backends(config: LabelsConfig) -> AsyncIterator[tuple[LabelLog, "Redis"]]:
    log = ClickHouseDecisions(config.clickhouse.url.reveal(), timeout_s=config.clickhouse.timeout_s, threads=1)
    redis = new_redis(config.redis)
    try:
        yield ClickHouseLabels(log), redis
    finally:
        await redis.aclose()
        await log.close()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m services.router",
        description="Export labelled prompts. Reads CLICKHOUSE_* and REDIS_* from the environment.",
    )
    labels = parser.add_subparsers(dest="command", required=True).add_parser(
        "labels", help="labelled prompts of tenants that allow it (firewall.may_train), one JSON object a line"
    )
    labels.add_argument("--from", dest="begin", required=True, help="RFC 3339, as in 2026-01-31T00:00:00Z; inclusive")
    labels.add_argument("--to", dest="end", required=True, help="the same; exclusive")
    labels.add_argument("--tenant", help="one tenant (all that allow it)")
    labels.add_argument(
        "--all", action="store_true", help="whether or not tenants allow it: an operator's own decision"
    )
    return parser
