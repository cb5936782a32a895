"""The platform as single processes that a test starts, pauses and kills one by one, with twins where it wants several."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
from clickhouse_driver import Client
from redis import Redis

from deploy.local.process import HttpProbe, ProcessSpec, free_port
from deploy.local.settings import StackSettings
from deploy.local.simulated_models import providers_file
from deploy.local.stack import stack
from tests.support.process import LocalProcess

BACKENDS = ("valkey", "broker", "clickhouse", "provider")
SERVICES = ("aggregator", "feedback_ingest", "router", "gateway")
TWIN = "_2"
VERIFY_TIMEOUT_S = 60.0


class Stack:
    """
    One platform with data in *directory*, for *tenants* without limits or scans, or under *policy*; nothing runs until it is started.

    *apache* is a broker to run on instead of the embedded one, with consumer groups instead of fixed shards. Processes die
    with the thread that starts them.
    """

    def __init__(
        self,
        directory: Path,
        tenants: tuple[str, ...] = (),
        *,
        apache: ProcessSpec | None = None,
        policy: dict[str, Any] | None = None,
    ) -> None:
        bootstrap, providers = directory / "policy.toml", directory / "providers.toml"
        settings = StackSettings(data=directory, bootstrap_file=bootstrap, providers_file=providers)
        ports = {f"{name}_port": free_port() for name in (*BACKENDS, *SERVICES, "firewall")}
        self._settings = msgspec.structs.replace(settings, **ports)
        bootstrap.write_bytes(msgspec.toml.encode(policy or _policy(tenants)))
        providers.write_bytes(providers_file(self._settings.simulated_base_url))
        self._logs = directory
        self._specs = {spec.name: spec for spec in stack(self._settings, internal_secret="between-services")}
        if apache is not None:
            self._specs["broker"] = msgspec.structs.replace(apache, name="broker")
            for name in SERVICES:
                self.change(name, _in_groups(apache.port))
        self._processes: dict[str, LocalProcess] = {}
        self._excused: set[str] = set()

    def start(self, *names: str) -> None:
        """Start processes at once, and return when all of them are ready."""
        for name in names:
            self._processes.setdefault(name, LocalProcess(self._specs[name], self._logs)).launch()
        for name in names:
            self._processes[name].wait_ready()

    def stop(self, *names: str) -> None:
        """
        End processes as an operator does; fails when a service does not end well, or had died before.

        Not so a router that lost its read model: it ends by itself, for a supervisor to start it anew.
        """
        codes = {name: self._processes.pop(name).stop() for name in names}
        enduring = {name for name in codes if name.removesuffix(TWIN) in SERVICES and name not in self._excused}
        assert {} == {name: codes[name] for name in enduring if codes[name]}

    def kill(self, name: str) -> None:
        """End a process as a crash does."""
        self._processes.pop(name).kill()

    @contextmanager
    def without(self, name: str) -> Iterator[None]:
        """Let a process be dead for as long as the block lasts."""
        self._excuse_readers_of(name)
        self.kill(name)
        try:
            yield
        finally:
            self.start(name)

    @contextmanager
    def paused(self, name: str) -> Iterator[None]:
        """Let a process hold still: its connections stay open, and nobody answers."""
        self._excuse_readers_of(name)
        pid = self._processes[name].pid
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    def _excuse_readers_of(self, name: str) -> None:
        if name == "valkey":
            self._excused.add("router")

    def stop_all(self) -> None:
        """End what runs, services before what they stand on."""
        self.stop(*sorted(self._processes, key=BACKENDS.__contains__))

    def twin(self, name: str, *, suffix: str = TWIN, **env: str) -> str:
        """Describe another instance of *name* with a journal and a port of its own, and return its name."""
        port, spec, twin = free_port(), self._specs[name], name + suffix
        own = {"PORT": str(port), "JOURNAL_DIRECTORY": str(self._logs / "journal" / twin)}
        self._specs[twin] = msgspec.structs.replace(
            spec, name=twin, env=spec.env | own | env, ready=HttpProbe(port=port)
        )
        return twin

    def change(self, name: str, env: dict[str, str]) -> None:
        """Add to what *name* is told, from its next start on."""
        spec = self._specs[name]
        self._specs[name] = msgspec.structs.replace(spec, env=spec.env | env)

    def url(self, name: str = "gateway") -> str:
        return f"http://127.0.0.1:{self._specs[name].port}"

    def environment(self, name: str) -> dict[str, str]:
        """Return what *name* is told, for commands beside it."""
        return os.environ | self._specs[name].env

    def redis(self) -> Redis:
        return Redis(port=self._settings.valkey_port)

    def clickhouse(self) -> Client:
        return Client("127.0.0.1", port=self._settings.clickhouse_port)

    def verify(self) -> str:
        """Let the aggregator compare Redis with ClickHouse; return what it says, fail unless they are equal."""
        spec = self._specs["aggregator"]
        done = subprocess.run(  # noqa: S603 - our own module
            (*spec.argv, "verify"),
            env=os.environ | spec.env,
            capture_output=True,
            text=True,
            timeout=VERIFY_TIMEOUT_S,
            check=False,
        )
        assert 0 == done.returncode, done.stdout + done.stderr
        return done.stdout


def key_of(tenant: str) -> str:
    return f"sk-{tenant}"


def _in_groups(port: int) -> dict[str, str]:
    return {"KAFKA_BOOTSTRAP": f"127.0.0.1:{port}", "KAFKA_IDEMPOTENT": "true", "KAFKA_SHARD": ""}


def _policy(tenants: tuple[str, ...]) -> dict[str, Any]:
    return {
        "plans": [{"name": "unlimited"}],
        "tenants": [{"tenant": tenant, "plan": "unlimited", "firewall": {"mode": "off"}} for tenant in tenants],
        "keys": [{"tenant": tenant, "key_id": "agent", "secret": key_of(tenant)} for tenant in tenants],
    }
