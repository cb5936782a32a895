"""What the embedded stack is told: where its data lies and on which loopback ports its processes listen."""

from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

Port = Annotated[int, Meta(ge=1, le=65_535)]


class StackSettings(msgspec.Struct, frozen=True, kw_only=True):
    """
    Every field is the environment variable of its name in upper case; the ports keep clear of the backends' usual ones.

    `providers_file`: the providers, where neither known API keys nor the simulated provider will do. `bootstrap_file`: tenants
    and keys. `recorded`: outcomes from which the simulated provider answers.
    """

    data: Path = Path(".data")
    providers_file: Path | None = None
    bootstrap_file: Path = Path(__file__).with_name("bootstrap.toml")
    recorded: Path | None = None
    gateway_port: Port = 8080
    firewall_port: Port = 8081
    router_port: Port = 8082
    feedback_ingest_port: Port = 8083
    aggregator_port: Port = 8084
    provider_port: Port = 8085
    valkey_port: Port = 18379
    broker_port: Port = 18092
    clickhouse_port: Port = 18900

    @property
    def logs(self) -> Path:
        """Where each process writes `<name>.log`."""
        return self.data / "logs"

    @property
    def pid_file(self) -> Path:
        """Where the running supervisor's pid stands."""
        return self.data / "supervisor.pid"

    @property
    def status_file(self) -> Path:
        """Where the running supervisor keeps the state of its processes."""
        return self.data / "status.json"

    @property
    def simulated_providers_file(self) -> Path:
        """The providers file that names the simulated provider."""
        return self.data / "simulated-providers.toml"

    @property
    def simulated_base_url(self) -> str:
        """Where the simulated provider answers."""
        return f"http://127.0.0.1:{self.provider_port}/v1"

    @property
    def base_url(self) -> str:
        """What an OpenAI client is pointed at."""
        return f"http://127.0.0.1:{self.gateway_port}/v1"
