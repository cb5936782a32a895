"""The commands that read the decision log from a shell: `replay` and `what-if`."""

import argparse
import asyncio
import os
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from libs.contracts.events import SourceWeights
from libs.providers.loading import CatalogueError, load_catalogue
from libs.routing.priors import Priors, load_priors
from libs.routing.replay import Past
from libs.routing.tables import TableError, read_table
from libs.runtime import config as configuration
from libs.runtime.config import ConfigError
from libs.runtime.terminal import fail, say
from services.router.adapters.clickhouse_decisions import ClickHouseDecisions
from services.router.config import AuditConfig
from services.router.domain.counterfactual import Alternative, check
from services.router.domain.queries import Filters, read_export
from services.router.domain.refusals import RefusedError
from services.router.ports import AuditLog, DecisionLogUnavailableError
from services.router.replaying import Changed, Tally, replay_range
from services.router.what_if import Question, view, what_if

COMMANDS = ("replay", "what-if")
EXIT_OK, EXIT_FAILED, EXIT_USAGE = 0, 1, 2
BAR_CELLS = 30
_ANYBODY = "*"


def main(argv: Sequence[str], *, env: Mapping[str, str] | None = None) -> int:
    """Run one command and return the exit code: 0 as logged or estimated, 1 different, refused or away, 2 wrong input."""
    arguments = _parser().parse_args(argv)
    environment = os.environ if env is None else env
    try:
        config = configuration.load(AuditConfig, env=environment)
        past = Past(priors=_table(arguments), models=load_catalogue(config.providers_file, environment).models)
        return asyncio.run(_run(arguments, config, past))
    except (CatalogueError, ConfigError, OSError, RefusedError, TableError) as error:
        return fail("router", str(error), EXIT_USAGE)
    except DecisionLogUnavailableError as error:
        return fail("router", f"the decision log does not answer: {error}", EXIT_FAILED)


def _table(arguments: argparse.Namespace) -> Priors:
    return load_priors() if arguments.benchmarks is None else read_table(arguments.benchmarks.read_bytes())


async def _run(arguments: argparse.Namespace, config: AuditConfig, past: Past) -> int:
    query = {"from": arguments.begin, "to": arguments.end}
    filters = read_export(arguments.tenant or _ANYBODY, query).filters
    question = _question(arguments, filters) if arguments.command == "what-if" else None
    async with _log(config) as log:
        if question is not None:
            return await _what_if(log, question, past)
        return await _replay(log, await _ranges(log, filters), past, examples=arguments.first)


def _question(arguments: argparse.Namespace, filters: Filters) -> Question:
    alternative = Alternative(
        model=arguments.model,
        cost_weight=arguments.cost_weight,
        latency_weight=arguments.latency_weight,
        exploration_floor=arguments.exploration_floor,
        source_weights=None if arguments.source_weights is None else _sources(arguments.source_weights),
    )
    check(alternative)
    return Question(filters=filters, alternative=alternative, precision=arguments.precision)


async def _what_if(log: AuditLog, question: Question, past: Past) -> int:
    total = await log.count(question.filters)
    answer = await what_if(log, question, past, progress=lambda read: _show(read, total))
    sys.stderr.write("\n")
    say(msgspec.json.format(msgspec.json.encode(view(question, answer)), indent=2).decode())
    return EXIT_OK if answer.evaluation.refused is None else EXIT_FAILED


def _sources(text: str) -> SourceWeights:
    try:
        return msgspec.json.decode(text, type=SourceWeights)
    except msgspec.DecodeError as error:
        raise RefusedError(f"--source-weights: {error}") from error


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
    say("\n".join([*map(_line, tally.examples), *_summary(tally)]))
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
    other = commands.add_parser(
        "what-if", help="estimate another policy on rated traffic; exit code 1 where the log cannot tell"
    )
    other.add_argument("--from", dest="begin", required=True, help="RFC 3339; inclusive")
    other.add_argument("--to", dest="end", required=True, help="the same; exclusive")
    other.add_argument("--tenant", required=True)
    other.add_argument("--model", help="this model for everything")
    other.add_argument("--cost-weight", type=float, help="score points lost per dollar")
    other.add_argument("--latency-weight", type=float, help="score points lost per second")
    other.add_argument("--exploration-floor", type=float, help="least probability of each candidate")
    other.add_argument("--source-weights", help='as in {"session": 0.5, "auto": 0.3, "manual": 0.1, "benchmark": 0.1}')
    other.add_argument("--precision", type=float, default=0.05, help="score points (0.05)")
    for command in (replay, other):
        command.add_argument("--benchmarks", type=Path, help="the Day-0 table (JSON) of then (the one that ships)")
    return parser
