"""The process table of `make run`: which processes make up the platform, and what each is told."""

import sys
from collections.abc import Mapping

import msgspec

from deploy.local import provider_process
from deploy.local.broker import broker
from deploy.local.clickhouse_process import clickhouse
from deploy.local.process import HttpProbe, ProcessSpec
from deploy.local.settings import StackSettings
from deploy.local.simulated_models import model_ids
from deploy.local.valkey import valkey

BACKENDS = ("valkey", "broker", "clickhouse", "provider")
API_KEY = "sk-local"


def backends(settings: StackSettings) -> tuple[ProcessSpec, ...]:
    """Return what the services stand on: Redis, Kafka, ClickHouse and a provider."""
    specs = (
        valkey(port=settings.valkey_port, data=settings.data / "valkey"),
        broker(port=settings.broker_port),
        clickhouse(port=settings.clickhouse_port, data=settings.data / "clickhouse"),
        provider_process.provider(port=settings.provider_port, models=model_ids(), recorded=settings.recorded),
    )
    return tuple(map(_movable, specs))


def stack(settings: StackSettings, *, internal_secret: str) -> tuple[ProcessSpec, ...]:
    """Return every process of the platform; `internal_secret` signs what the gateway tells the other services."""
    shared = _shared(settings, internal_secret)
    services = (
        _service("aggregator", settings.aggregator_port, shared, settings),
        _service("feedback_ingest", settings.feedback_ingest_port, shared, settings),
        _service("firewall", settings.firewall_port, shared, settings),
        _service("router", settings.router_port, shared, settings),
        _service("gateway", settings.gateway_port, {**shared, **_owners(settings)}, settings),
    )
    return (*backends(settings), *map(_movable, services))


def _service(name: str, port: int, env: Mapping[str, str], settings: StackSettings) -> ProcessSpec:
    own = {"PORT": str(port), "JOURNAL_DIRECTORY": str(settings.data / "journal" / name)}
    return ProcessSpec(
        name=name,
        argv=(sys.executable, "-m", f"services.{name}"),
        env={**env, **own},
        ready=HttpProbe(port=port),
        depends_on=BACKENDS,
        stop_timeout_s=15,
    )


def _shared(settings: StackSettings, internal_secret: str) -> dict[str, str]:
    return {
        "HOST": "127.0.0.1",
        "INTERNAL_SECRET": internal_secret,
        "REDIS_URL": f"redis://127.0.0.1:{settings.valkey_port}/0",
        "KAFKA_BOOTSTRAP": f"127.0.0.1:{settings.broker_port}",
        # The embedded broker has no idempotent producers, and lets a consumer wait five seconds before it joins a group.
        "KAFKA_IDEMPOTENT": "false",
        "KAFKA_SHARD": "0/1",
        "CLICKHOUSE_URL": f"clickhouse://default@127.0.0.1:{settings.clickhouse_port}/default",
        "BOOTSTRAP_FILE": str(settings.bootstrap_file),
        "PROVIDERS_FILE": str(settings.providers_file or ""),
    }


def _owners(settings: StackSettings) -> dict[str, str]:
    return {
        "FEEDBACK_INGEST_URL": f"http://127.0.0.1:{settings.feedback_ingest_port}",
        "ROUTER_URL": f"http://127.0.0.1:{settings.router_port}",
        "FIREWALL_SERVICE_URL": f"http://127.0.0.1:{settings.firewall_port}",
    }


def _movable(spec: ProcessSpec) -> ProcessSpec:
    return msgspec.structs.replace(spec, port_variable=f"{spec.name.upper()}_PORT")
