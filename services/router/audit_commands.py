"""The commands that read the decision log from a shell: `replay`."""

import argparse
import asyncio
import os
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

import msgspec

from libs.providers.loading import CatalogueError, load_catalogue
from libs.routing.priors import load_priors
from libs.routing.replay import Past
from libs.runtime import config as configuration
from libs.runtime.config import ConfigError
from services.router.adapters.clickhouse_decisions import ClickHouseDecisions
from services.router.config import AuditConfig
from services.router.domain.queries import Filters, read_export
from services.router.domain.refusals import RefusedError
from services.router.ports import AuditLog, DecisionLogUnavailableError
from services.router.replaying import Changed, Tally, replay_range

COMMANDS = ("replay",)
EXIT_OK, EXIT_FAILED, EXIT_USAGE = 0, 1, 2
BAR_CELLS = 30
_ANYBODY = "*"


def main(argv: Sequence[str], *, env: Mapping[str, str] | None = None) -> int:
    """Run one command and return the exit code: 0 all as logged, 1 different or not possible now, 2 wrong input."""
    arguments = _parser().parse_args(argv)
    environment = os.environ if env is None else env
    try:
        config = configuration.load(AuditConfig, env=environment)
        past = Past(priors=load_priors(), models=load_catalogue(config.providers_file, environment).models)
        return asyncio.run(_run(arguments, config, past))
    except (CatalogueError, ConfigError, RefusedError) as error:
        return _fail(str(error), EXIT_USAGE)
    except DecisionLogUnavailableError as error:
        return _fail(f"the decision log does not answer: {error}", EXIT_FAILED)


async def _run(arguments: argparse.Namespace, config: AuditConfig, past: Past) -> int:
    query = {"from": arguments.begin, "to": arguments.end}
    filters = read_export(arguments.tenant or _ANYBODY, query).filters
    async with _log(config) as log:
        return await _replay(log, await _ranges(log, filters), past, examples=arguments.first)


async def _ranges(log: AuditLog, filters: Filters) -> list[Filters]:
    """Return *filters* for its tenant, or for each tenant with requests in the range."""
    if filters.tenant != _ANYBODY:
        return [filters]
    tenants = await log.tenants(from_ms=filters.from_ms or 0, to_ms=filters.to_ms or 0)
    return [msgspec.structs.replace(filters, tenant=tenant) for tenant in tenants]


async def _replay(log: AuditLog, ranges: Sequence[Filters], past: Past, *, examples: int) -> int:
    total = sum([await log.count(filters) for filters in ranges])
    tally, done = Tally(), 0
    for filters in ranges:
        read = 0
        async for read in replay_range(log, filters, past, tally, examples=examples):
            _show(done + read, total)
        done += read
    sys.stderr.write("\n")
    _say("\n".join([*map(_line, tally.examples), *_summary(tally)]))
    return EXIT_OK if tally.faithful else EXIT_FAILED


@asynccontextmanager
async def _log(config: AuditConfig) -> AsyncIterator[AuditLog]:
    log = ClickHouseDecisions(config.clickhouse.url.reveal(), timeout_s=config.clickhouse.timeout_s, threads=1)
    try:
        yield log
    finally:
        await log.close()


def _line(changed: Changed) -> str:
    parts = "; ".join(
        f"{item.field}: logged {_json(item.logged)}, replayed {_json(item.replayed)}" for item in changed.differences
    )
    return f"{changed.tenant} {changed.request_id}  {parts}"


def _summary(tally: Tally) -> list[str]:
    skipped = [f"{count} not replayed: {reason}" for reason, count in sorted(tally.skipped.items())]
    return [*skipped, f"{tally.replayed} decisions replayed, {tally.changed} differ"]


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _show(done: int, total: int) -> None:
    share = min(1.0, done / total) if total else 1.0
    filled = round(BAR_CELLS * share)
    bar = "█" * filled + "░" * (BAR_CELLS - filled)
    sys.stderr.write(f"\r{bar} {share:4.0%} {done:,}/{total:,} requests")
    sys.stderr.flush()


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


def _fail(message: str, code: int) -> int:
    sys.stderr.write(f"router: {message}\n")
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m services.router",
        description="Audit decisions. Reads CLICKHOUSE_* and PROVIDERS_FILE from the environment.",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    replay = commands.add_parser(
        "replay", help="make logged decisions again; exit code 1 where one comes out otherwise"
    )
    replay.add_argument("--from", dest="begin", required=True, help="RFC 3339, as in 2026-01-31T00:00:00Z; inclusive")
    replay.add_argument("--to", dest="end", required=True, help="the same; exclusive")
    replay.add_argument("--tenant", help="one tenant (all)")
    replay.add_argument("--first", type=int, default=20, help="how many differences to print (20)")
    return parser
