"""A process from its command line to its exit code: configuration, logs, start, drain, stop."""

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

import structlog
import uvloop
from aiohttp import web

from libs.runtime import config as configuration
from libs.runtime import logging as logs
from libs.runtime.background import SUPERVISOR, Supervisor
from libs.runtime.config import ConfigError, ServiceConfig

log = structlog.get_logger(__name__)

C = TypeVar("C", bound=ServiceConfig)

EXIT_OK = 0
EXIT_FAILED = 1
EXIT_CONFIG = 2


class Listener(Protocol):
    """Something that accepts connections."""

    async def stop(self) -> None:
        """Accept no more; requests in flight go on."""


Listen = Callable[[web.AppRunner, C], Awaitable[Listener]]


def main(
    service: str,
    config_cls: type[C],
    build_app: Callable[[C], web.Application],
    *,
    listen: Listen[C] | None = None,
    argv: Sequence[str] | None = None,
    env: Mapping[str, str] | None = None,
) -> int:
    """
    Run *service* until SIGTERM or SIGINT and return the exit code: 0 stopped, 1 failed, 2 wrong configuration.

    `--help` lists every variable, `--check-config` only validates. *build_app* joins the concrete classes; its resources are
    `cleanup_ctx`s, started in order and closed in reverse. *listen* replaces the plain TCP listener.
    """
    arguments = _parser(service, config_cls).parse_args(argv)
    environment = os.environ if env is None else env
    try:
        file = environment.get("CONFIG_FILE")
        config = configuration.load(config_cls, env=environment, file=Path(file) if file else None)
    except ConfigError as error:
        sys.stderr.write(f"{service}: {error}\n")
        return EXIT_CONFIG
    if arguments.check_config:
        sys.stdout.write(f"{service}: the configuration is valid\n")
        return EXIT_OK
    logs.configure(service, level=config.log_level)
    return uvloop.run(serve(config, build_app, listen=listen))


async def serve(config: C, build_app: Callable[[C], web.Application], *, listen: Listen[C] | None = None) -> int:
    """Serve until a signal arrives or a background task fails; return the exit code."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    app = build_app(config)
    supervisor = app.setdefault(SUPERVISOR, Supervisor())
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=config.drain_timeout_s)
    try:
        await runner.setup()
        listener = await (listen or listen_tcp)(runner, config)
        await _first(stop.wait(), supervisor.wait())
        log.info("service.draining", timeout_s=config.drain_timeout_s)
        await listener.stop()
    finally:
        await runner.cleanup()
    log.info("service.stopped", failed=supervisor.failure is not None)
    return EXIT_OK if supervisor.failure is None else EXIT_FAILED


async def listen_tcp(runner: web.AppRunner, config: ServiceConfig) -> Listener:
    """Listen on the configured host and port, and log the port that was taken."""
    site = web.TCPSite(runner, config.host, config.port)
    await site.start()
    for address in runner.addresses:
        log.info("service.listening", host=address[0], port=address[1])
    return site


def _parser(service: str, config_cls: type[ServiceConfig]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f"python -m services.{service}",
        description="Configured by environment variables, or by the TOML file that CONFIG_FILE names.",
        epilog=configuration.describe(config_cls),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--check-config", action="store_true", help="validate the configuration and exit")
    return parser


async def _first(*coroutines: Awaitable[object]) -> None:
    tasks = [asyncio.ensure_future(coroutine) for coroutine in coroutines]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
