"""The commands that change the policy from a shell: `apply`, `keys create`, `keys revoke` and `keys list`."""

import argparse
import asyncio
import os
import secrets
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from libs.contracts.bootstrap import BootstrapError, load
from libs.contracts.state import ApiKey, secret_sha256
from libs.contracts.topics import CONTROL
from libs.kafka.sender import KafkaSender
from libs.kafka.topics_admin import ensure_topics
from libs.providers.loading import CatalogueError, load_catalogue
from libs.runtime import config as configuration
from libs.runtime.clock import epoch_ms
from libs.runtime.config import ConfigError
from libs.runtime.redis import new_redis
from libs.runtime.terminal import fail, say
from services.router.adapters.kafka_control_log import KafkaControlLog
from services.router.adapters.redis_read_model import RedisReadModel
from services.router.config import PolicyConfig
from services.router.control import Control, Order
from services.router.domain import keys
from services.router.domain.declared import wishes
from services.router.domain.entities import Entity, Ref, StoredKey, ref_to
from services.router.domain.refusals import AbsentError, ConflictError, RefusedError
from services.router.founding import existing_rules
from services.router.ports import BusyError, ControlLogUnavailableError, PolicyUnavailableError

COMMANDS = ("apply", "keys")
ACTOR = "cli"
SECRET_PREFIX = "ag-"  # noqa: S105 - what secrets begin with, so that scanners of leaked secrets can find them
SECRET_BYTES = 32
EXIT_FAILED, EXIT_USAGE = 1, 2
_FAILURES = (BusyError, ConflictError, ControlLogUnavailableError, PolicyUnavailableError, TimeoutError, OSError)


def main(argv: Sequence[str], *, env: Mapping[str, str] | None = None) -> int:
    """Run one command and return the exit code: 0 done, 1 not possible now, 2 wrong input."""
    arguments = _parser().parse_args(argv)
    environment = os.environ if env is None else env
    try:
        config = configuration.load(PolicyConfig, env=environment)
        return asyncio.run(_run(arguments, config, environment))
    except (BootstrapError, CatalogueError, ConfigError, RefusedError) as error:
        return fail("router", str(error), EXIT_USAGE)
    except AbsentError:
        return fail("router", "there is no such key", EXIT_USAGE)
    except _FAILURES as error:
        return fail("router", f"{type(error).__name__}: {error}", EXIT_FAILED)


async def _run(arguments: argparse.Namespace, config: PolicyConfig, env: Mapping[str, str]) -> int:
    async with _control(config) as control:
        if arguments.command == "apply":
            return await _apply(arguments, control, config, env)
        return await {"create": _create_key, "revoke": _revoke_key, "list": _list_keys}[arguments.action](
            arguments, control
        )


@asynccontextmanager
async def _control(config: PolicyConfig) -> AsyncIterator[Control]:
    redis, sender = new_redis(config.redis), KafkaSender(config.kafka)
    try:
        await ensure_topics(config.kafka, [CONTROL])
        yield Control(KafkaControlLog(sender), RedisReadModel(redis), visible_within_s=config.visible_within_s)
    finally:
        await sender.close()
        await redis.aclose()


async def _apply(arguments: argparse.Namespace, control: Control, config: PolicyConfig, env: Mapping[str, str]) -> int:
    declared = load(arguments.file.read_bytes())
    models = load_catalogue(config.providers_file, env).models or None
    if models is None:
        say("no model catalogue here: the models of rules are not checked")
    existing = {rule.tenant: await existing_rules(control, rule.tenant) for rule in declared.rules}
    changed = 0
    for wish in wishes(declared, env=env, existing_rules=existing.__getitem__, models=models, now_ms=epoch_ms()):
        before = await control.find(wish.ref)
        if arguments.dry_run:
            outcome = await control.preview(wish.ref, wish.decide)
        else:
            outcome = await control.write(wish.ref, wish.decide, _order(arguments.reason))
            # Nobody materialises: waiting for each of many changes would only take long.
            control = control if outcome.visible else control.without_waiting()
        if outcome.changed:
            changed += 1
            say(_line(wish.ref, wish.name, before, visible=outcome.visible))
    say(f"{changed} {'would change' if arguments.dry_run else 'changed'}")
    return 0


async def _create_key(arguments: argparse.Namespace, control: Control) -> int:
    secret = SECRET_PREFIX + secrets.token_urlsafe(SECRET_BYTES)
    key = keys.stored(
        ApiKey(
            key_id=arguments.key_id or f"key-{uuid.uuid4().hex[:8]}",
            tenant=arguments.tenant,
            permissions=tuple(arguments.permission or ("read", "write")),
            requests_per_minute=arguments.rpm,
            project_id=arguments.project,
        ),
        secret_sha256(secret),
    )
    outcome = await control.write(
        ref_to(key), lambda before, _others: keys.added(key, _key(before)), _order(arguments.reason)
    )
    say(f"key {key.key_id} of {key.tenant}{'' if outcome.visible else ' (not in force yet)'}; its secret, shown once:")
    say(secret)
    return 0


async def _revoke_key(arguments: argparse.Namespace, control: Control) -> int:
    ref = Ref(tenant=arguments.tenant, kind="key", entity_id=arguments.key_id)
    outcome = await control.write(ref, lambda before, _others: keys.revoked(_key(before)), _order(arguments.reason))
    say(_line(ref, ref.entity_id, outcome.entity, visible=outcome.visible) if outcome.changed else "0 changed")
    return 0


async def _list_keys(arguments: argparse.Namespace, control: Control) -> int:
    found = [key for key in await control.all(arguments.tenant, "key") if isinstance(key, StoredKey)]
    for key in sorted(found, key=lambda key: key.key_id):
        limit = "unlimited" if key.requests_per_minute is None else f"{key.requests_per_minute}/min"
        say(f"{key.key_id}  {'revoked' if key.revoked else 'live'}  {','.join(key.permissions)}  {limit}")
    return 0


def _order(reason: str | None) -> Order:
    return Order(actor=ACTOR, at_ms=epoch_ms(), event_id=str(uuid.uuid4()), reason=reason)


def _key(entity: Entity | None) -> StoredKey | None:
    return entity if isinstance(entity, StoredKey) else None


def _line(ref: Ref, name: str, before: Entity | None, *, visible: bool) -> str:
    what = "created" if before is None else "changed"
    return f"{what}  {ref.kind}  {ref.tenant}/{name}{'' if visible else '  (not in force yet: is a router running?)'}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m services.router",
        description="Change the policy. Reads REDIS_*, KAFKA_*, PROVIDERS_FILE from the environment.",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    apply = commands.add_parser("apply", help="bring a declared policy (TOML) into force; says what changed")
    apply.add_argument("file", type=Path)
    apply.add_argument("--dry-run", action="store_true", help="only say what would change")
    apply.add_argument("--reason")
    actions = commands.add_parser("keys", help="API keys").add_subparsers(dest="action", required=True)
    create = actions.add_parser("create", help="make a key; prints its secret once")
    create.add_argument("--permission", action="append", choices=("read", "write", "admin"))
    create.add_argument("--rpm", type=int, help="requests per minute")
    create.add_argument("--project")
    create.add_argument("--key-id")
    revoke = actions.add_parser("revoke", help="take a key out of force")
    revoke.add_argument("key_id")
    for action in (create, revoke, actions.add_parser("list", help="list a tenant's keys")):
        action.add_argument("--tenant", required=True)
        action.add_argument("--reason")
    return parser
