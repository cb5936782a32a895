"""The commands on the Day-0 table: `priors load`, `priors reset` and `priors show`."""

import argparse
import asyncio
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from libs.contracts.topics import CONTROL
from libs.kafka.sender import KafkaSender
from libs.kafka.topics_admin import ensure_topics
from libs.routing.priors import Priors, load_priors, table_id
from libs.routing.tables import TableError, read_table
from libs.runtime import config as configuration
from libs.runtime.clock import epoch_ms
from libs.runtime.config import ConfigError
from libs.runtime.redis import new_redis
from libs.runtime.terminal import fail, say
from services.feedback_ingest.adapters.kafka_benchmark_log import KafkaBenchmarkLog
from services.feedback_ingest.adapters.redis_benchmarks import RedisBenchmarks
from services.feedback_ingest.config import BenchmarkConfig
from services.feedback_ingest.domain.benchmarks import loaded, rows, summary
from services.feedback_ingest.loading import Loader
from services.feedback_ingest.ports import LogUnavailableError, StoreUnavailableError

COMMANDS = ("priors",)
ACTOR = "cli"
EXIT_OK, EXIT_FAILED, EXIT_USAGE = 0, 1, 2


def main(argv: Sequence[str], *, env: Mapping[str, str] | None = None) -> int:
    """Run one command and return the exit code: 0 done, 1 not possible now, 2 wrong input."""
    arguments = _parser().parse_args(argv)
    try:
        config = configuration.load(BenchmarkConfig, env=os.environ if env is None else env)
        table = _table(arguments)
        return asyncio.run(_run(arguments, config, table))
    except TableError as error:
        return fail("feedback_ingest", "\n  ".join(["the table cannot be used:", *error.faults]), EXIT_USAGE)
    except (ConfigError, OSError) as error:
        return fail("feedback_ingest", str(error), EXIT_USAGE)
    except (LogUnavailableError, StoreUnavailableError, TimeoutError) as error:
        return fail("feedback_ingest", f"{type(error).__name__}: {error}", EXIT_FAILED)


def _table(arguments: argparse.Namespace) -> Priors | None:
    if arguments.action == "load":
        return read_table(arguments.file.read_bytes())
    return load_priors() if arguments.action == "reset" else None


async def _run(arguments: argparse.Namespace, config: BenchmarkConfig, table: Priors | None) -> int:
    async with _loader(config) as loader:
        before = await loader.in_force()
        say(*summary(before, table or before))
        if table is None:
            say(*rows(before, arguments.models))
            return EXIT_OK
        change = loaded(before, table, actor=ACTOR, now_ms=epoch_ms(), reason=arguments.reason)
        outcome = await loader.load(change)
        say(f"table {table_id(table)}: {outcome}{': is a router running?' if outcome == 'not in force yet' else ''}")
        return EXIT_OK


@asynccontextmanager
async def _loader(config: BenchmarkConfig) -> AsyncIterator[Loader]:
    redis, sender = new_redis(config.redis), KafkaSender(config.kafka)
    try:
        await ensure_topics(config.kafka, [CONTROL])
        benchmarks = RedisBenchmarks(redis, deadline_s=config.redis_deadline_s)
        yield Loader(KafkaBenchmarkLog(sender), benchmarks, visible_within_s=config.visible_within_s)
    finally:
        await sender.close()
        await redis.aclose()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m services.feedback_ingest",
        description="Change the Day-0 table. Reads REDIS_* and KAFKA_* from the environment.",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    actions = commands.add_parser("priors", help="the table of published benchmarks").add_subparsers(
        dest="action", required=True
    )
    load = actions.add_parser("load", help="bring a table (JSON, as benchmarks.build_priors writes it) into force")
    load.add_argument("file", type=Path)
    for action in (load, actions.add_parser("reset", help="go back to the table that ships with the code")):
        action.add_argument("--reason")
    show = actions.add_parser("show", help="say which table is in force, from which boards, and how sure they are")
    show.add_argument("models", nargs="*", help="models whose scores and standard errors to show")
    return parser
