"""The commands beside serving: `migrate`, `rebuild` and `verify`."""

import argparse
import asyncio
import os
import sys
import time
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
from redis.exceptions import RedisError

from libs.contracts.topics import REQUESTS
from libs.runtime import config as configuration
from libs.runtime.config import ConfigError
from libs.runtime.redis import new_redis
from libs.runtime.terminal import fail, say
from services.aggregator import rebuilding
from services.aggregator.adapters import clickhouse_migrations
from services.aggregator.adapters.clickhouse_client import ClickHouseClient
from services.aggregator.adapters.clickhouse_log import ClickHouseLog
from services.aggregator.adapters.redis_learning import RedisLearning
from services.aggregator.adapters.redis_statistics import RedisStatistics
from services.aggregator.adapters.redis_weights import RedisWeights
from services.aggregator.config import DAY_S, AggregatorConfig
from services.aggregator.ports import LogUnavailableError
from services.aggregator.rebuilding import MovingError, OwnersAliveError, Progress, Rebuild

COMMANDS = {
    "migrate": "apply the ClickHouse migrations that are due",
    "rebuild": "make the learner's state in Redis anew from the log in ClickHouse",
    "verify": "compare the streamed statistics in Redis with one query over ClickHouse",
}
EXIT_OK, EXIT_FAILED, EXIT_USAGE = 0, 1, 2
PARTITIONS = REQUESTS.partitions
POLL_S = 0.5
SHOWN_DIFFERENCES = 50
BAR_CELLS = 30

_FAILURES = (LogUnavailableError, MovingError, OwnersAliveError, RedisError, OSError)


class Backends(msgspec.Struct, frozen=True, kw_only=True):
    """What the commands work on."""

    client: ClickHouseClient
    log: ClickHouseLog
    state: RedisLearning
    statistics: RedisStatistics
    weights: RedisWeights


def main(argv: Sequence[str], *, env: Mapping[str, str] | None = None) -> int:
    """Run one command and return the exit code: 0 done (verify: equal), 1 failed or different, 2 wrong input."""
    arguments = _parser().parse_args(argv)
    environment = os.environ if env is None else env
    try:
        file = environment.get("CONFIG_FILE")
        config = configuration.load(AggregatorConfig, env=environment, file=Path(file) if file else None)
        return asyncio.run(_run(arguments, config))
    except ConfigError as error:
        return fail("aggregator", str(error), EXIT_USAGE)
    except _FAILURES as error:
        return fail("aggregator", f"{type(error).__name__}: {error}", EXIT_FAILED)


def summary() -> str:
    """Return the commands for `--help` of the service."""
    lines = "\n".join(f"  {name:<8} {text}" for name, text in COMMANDS.items())
    return f"Serves without a command. Commands (each has its own --help):\n{lines}\n\n"


async def _run(arguments: argparse.Namespace, config: AggregatorConfig) -> int:
    async with _backends(config) as backends:
        return await {"migrate": _migrate, "rebuild": _rebuild, "verify": _verify}[arguments.command](
            backends, arguments
        )


async def _migrate(backends: Backends, _arguments: argparse.Namespace) -> int:
    applied = await clickhouse_migrations.migrate(backends.client, clickhouse_migrations.shipped())
    say("\n".join(f"applied {name}" for name in applied) or "nothing to apply")
    return EXIT_OK


async def _rebuild(backends: Backends, arguments: argparse.Namespace) -> int:
    rebuild = Rebuild(
        backends.state, backends.log, backends.weights, partitions=PARTITIONS, new_token=lambda: str(uuid.uuid4())
    )
    async for progress in rebuild.run(force=arguments.force):
        sys.stderr.write(f"\r{_bar(progress)}")
        sys.stderr.flush()
    sys.stderr.write("\n")
    say("rebuilt; weights follow when an aggregator serves")
    return EXIT_OK


async def _verify(backends: Backends, arguments: argparse.Namespace) -> int:
    deadline_s = time.monotonic() + arguments.wait
    while missing := await rebuilding.behind(backends.state, backends.log, partitions=PARTITIONS):
        if time.monotonic() > deadline_s:
            say(f"ClickHouse is behind by {sum(missing.values())} records (or they are dead letters)")
            break
        await asyncio.sleep(POLL_S)
    result = await rebuilding.verify(backends.state, backends.statistics, backends.log, partitions=PARTITIONS)
    for difference in result.differences[:SHOWN_DIFFERENCES]:
        say(
            f"{difference.tenant} {difference.task} {difference.field}: "
            f"streamed {difference.streamed}, logged {difference.logged}"
        )
    say(f"{result.compared} sums compared, {len(result.differences)} differ")
    return EXIT_FAILED if result.differences else EXIT_OK


@asynccontextmanager
async def _backends(config: AggregatorConfig) -> AsyncIterator[Backends]:
    redis = new_redis(config.redis)
    client = ClickHouseClient(
        config.clickhouse.url,
        connect_timeout_s=config.clickhouse.connect_timeout_s,
        timeout_s=config.clickhouse.timeout_s,
    )
    try:
        yield Backends(
            client=client,
            log=ClickHouseLog(client),
            state=RedisLearning(redis, session_ttl_s=config.session_days * DAY_S),
            statistics=RedisStatistics(redis, partitions=PARTITIONS),
            weights=RedisWeights(redis),
        )
    finally:
        await client.close()
        await redis.aclose()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m services.aggregator", description=summary())
    commands = parser.add_subparsers(dest="command", required=True)
    epilog = "Configured like the service: see `python -m services.aggregator --help`."
    parsers = {name: commands.add_parser(name, description=text, epilog=epilog) for name, text in COMMANDS.items()}
    parsers["rebuild"].add_argument(
        "--force", action="store_true", help="also while aggregators are running: they lose their partitions"
    )
    parsers["verify"].add_argument(
        "--wait", type=float, default=10.0, help="seconds to wait for ClickHouse to catch up (10)"
    )
    return parser


def _bar(progress: Progress) -> str:
    share = progress.done / progress.total if progress.total else 1.0
    filled = round(BAR_CELLS * share)
    bar = "█" * filled + "░" * (BAR_CELLS - filled)
    return f"partition {progress.partition + 1}/{PARTITIONS} {bar} {share:4.0%} {progress.done:,}/{progress.total:,} events"
