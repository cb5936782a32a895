"""The whole platform as its operator starts it: real processes on embedded backends, ports and data of its own."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec
from floopy import Floopy
from openai import OpenAI
from redis import Redis

from deploy.local.process import free_port
from deploy.local.settings import StackSettings
from deploy.local.supervisor import ProcessStatus
from libs.contracts import state
from libs.contracts.events import WeightsPublished
from tests.support.process import wait_until

START_TIMEOUT_S = 90.0
STOP_TIMEOUT_S = 60.0
PROCESSES = (
    "gateway",
    "firewall",
    "router",
    "feedback_ingest",
    "aggregator",
    "provider",
    "valkey",
    "broker",
    "clickhouse",
)
SERVICES = PROCESSES[:5]

POLICY = """
[[plans]]
name = "e2e"
transcript_retention_days = 1
""" + "".join(
    f"""
[[tenants]]
tenant = "{tenant}"
plan = "e2e"
redaction = {{ mode = "{redaction}" }}

[[keys]]
tenant = "{tenant}"
key_id = "agent"
secret = "sk-{tenant}"

[[keys]]
tenant = "{tenant}"
key_id = "reader"
secret = "sk-{tenant}-reader"
permissions = ["read"]
"""
    for tenant, redaction in (
        *((tenant, "mask") for tenant in ("acme", "beta", "learner", "early", "survivor", "audited")),
        ("outspoken", "off"),
        ("joining", "hash"),
    )
)


class Platform:
    """A running platform: its addresses, and clients of it, which *closing* closes."""

    def __init__(self, ports: dict[str, int], settings: StackSettings, closing: ExitStack) -> None:
        self._ports = ports
        self._settings = settings
        self._closing = closing
        self._openai: dict[str, OpenAI] = {}
        self._floopy: dict[str, Floopy] = {}
        self.base_url = f"http://127.0.0.1:{ports['gateway']}/v1"
        self.kafka_bootstrap = f"127.0.0.1:{ports['broker']}"
        self.clickhouse_url = f"clickhouse://default@127.0.0.1:{ports['clickhouse']}/default"

    def openai(self, tenant: str = "acme") -> OpenAI:
        if tenant not in self._openai:
            client = OpenAI(base_url=self.base_url, api_key=f"sk-{tenant}", max_retries=0)
            self._openai[tenant] = self._closing.enter_context(client)
        return self._openai[tenant]

    def floopy(self, tenant: str = "acme") -> Floopy:
        if tenant not in self._floopy:
            client = Floopy(base_url=self.base_url, api_key=f"sk-{tenant}", max_retries=0)
            self._closing.callback(client.close)
            self._floopy[tenant] = client
        return self._floopy[tenant]

    def address(self, process: str, path: str) -> str:
        return f"http://127.0.0.1:{self._ports[process]}{path}"

    def kill(self, process: str) -> None:
        """Let *process* die without a word; its supervisor starts it again."""
        statuses = msgspec.json.decode(self._settings.status_file.read_bytes(), type=list[ProcessStatus])
        [pid] = [status.pid for status in statuses if status.name == process]
        assert pid is not None
        os.kill(pid, signal.SIGKILL)

    def audit(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run one of the router's commands against the platform's decision log."""
        return self.shell("router", *arguments)

    def shell(self, service: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run a command of *service* against the platform's backends."""
        backends = {
            "CLICKHOUSE_URL": self.clickhouse_url,
            "REDIS_URL": f"redis://127.0.0.1:{self._ports['valkey']}",
            "KAFKA_BOOTSTRAP": self.kafka_bootstrap,
            "KAFKA_IDEMPOTENT": "false",  # The embedded broker knows no idempotent producers.
        }
        return subprocess.run(  # noqa: S603 - our own module
            [sys.executable, "-m", f"services.{service}", *arguments],
            env=_without_backends() | backends,
            capture_output=True,
            text=True,
            timeout=START_TIMEOUT_S,
            check=False,
        )

    def weights(self, tenant: str) -> WeightsPublished | None:
        """Return what gateways would decide by now."""
        with Redis(port=self._ports["valkey"]) as redis:
            value = redis.get(state.weights(tenant))
        return None if value is None else msgspec.json.decode(value, type=WeightsPublished)

    def rated_sessions(self, tenant: str) -> int:
        weights = self.weights(tenant)
        return 0 if weights is None else weights.rated_sessions


@contextmanager
def running_platform(directory: Path) -> Iterator[Platform]:
    """Start everything with data in *directory*, and end it as Ctrl-C does; fails when either goes wrong."""
    ports = {name: free_port() for name in PROCESSES}
    policy = directory / "policy.toml"
    policy.write_text(POLICY)
    env = {f"{name.upper()}_PORT": str(port) for name, port in ports.items()}
    output = directory / "output.log"
    with output.open("w") as log:
        process = subprocess.Popen(  # noqa: S603 - our own module
            [sys.executable, "-m", "deploy.local", "--plain", "--data", str(directory / "data")],
            env=_without_backends() | env | {"BOOTSTRAP_FILE": str(policy)},
            stdout=log,
            stderr=subprocess.STDOUT,
        )

    def is_ready() -> bool:
        assert process.poll() is None, f"the platform ended: {output.read_text()}"
        return "Ready." in output.read_text()

    try:
        wait_until(is_ready, timeout_s=START_TIMEOUT_S, what="the platform to be ready")
        with ExitStack() as closing:
            yield Platform(ports, StackSettings(data=directory / "data"), closing)
    finally:
        process.send_signal(signal.SIGINT)
        exit_code = process.wait(STOP_TIMEOUT_S)
    assert 0 == exit_code, output.read_text()


def _without_backends() -> dict[str, str]:
    # Keys of real providers would replace the simulated one.
    return {name: value for name, value in os.environ.items() if not name.endswith("_API_KEY")}
