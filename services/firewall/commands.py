"""The commands beside serving: `quarantines list` and `quarantines release`."""

import argparse
import asyncio
import os
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

import msgspec

from libs.contracts.state import Quarantine
from libs.runtime import config as configuration
from libs.runtime.config import ConfigError
from libs.runtime.redis import new_redis
from libs.runtime.terminal import fail
from services.firewall.adapters.redis_quarantines import RedisQuarantines
from services.firewall.config import QuarantineConfig
from services.firewall.ports import Quarantines, StoreUnavailableError

COMMANDS = ("quarantines",)
EXIT_OK, EXIT_FAILED, EXIT_USAGE = 0, 1, 2


def main(argv: Sequence[str], *, env: Mapping[str, str] | None = None) -> int:
    """Run one command and return the exit code: 0 done, 1 no such quarantine or Redis is away, 2 wrong input."""
    arguments = _parser().parse_args(argv)
    try:
        config = configuration.load(QuarantineConfig, env=os.environ if env is None else env)
        return asyncio.run(_run(arguments, config))
    except ConfigError as error:
        return fail("firewall", str(error), EXIT_USAGE)
    except StoreUnavailableError as error:
        return fail("firewall", f"Redis does not answer: {error}", EXIT_FAILED)


async def _run(arguments: argparse.Namespace, config: QuarantineConfig) -> int:
    async with _quarantines(config) as quarantines:
        if arguments.action == "list":
            return await _list(quarantines, arguments.tenant)
        return await _release(quarantines, arguments.tenant, arguments.session)


async def _list(quarantines: Quarantines, tenant: str) -> int:
    async for session_id, quarantine in quarantines.standing(tenant):
        _say(session_id, quarantine)
    return EXIT_OK


async def _release(quarantines: Quarantines, tenant: str, session_id: str) -> int:
    released = await quarantines.release(tenant, session_id)
    if released is None:
        return fail("firewall", f"session {session_id} of {tenant} is not quarantined", EXIT_FAILED)
    _say(session_id, released)
    return EXIT_OK


@asynccontextmanager
async def _quarantines(config: QuarantineConfig) -> AsyncIterator[Quarantines]:
    redis = new_redis(config.redis)
    try:
        yield RedisQuarantines(redis, deadline_s=config.redis_deadline_s, evidence_ms=config.evidence_s * 1_000)
    finally:
        await redis.aclose()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m services.firewall", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    actions = commands.add_parser("quarantines", help="sessions that turned hostile").add_subparsers(
        dest="action", required=True
    )
    actions.add_parser("list", help="print them, one JSON object a line").add_argument("--tenant", required=True)
    release = actions.add_parser("release", help="let a session go on; what it said so far is held against it no more")
    release.add_argument("--tenant", required=True)
    release.add_argument("--session", required=True)
    return parser


def _say(session_id: str, quarantine: Quarantine) -> None:
    line = {"session_id": session_id, **msgspec.structs.asdict(quarantine)}
    sys.stdout.write(msgspec.json.encode(line).decode() + "\n")
