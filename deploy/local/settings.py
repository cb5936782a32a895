"""What the embedded stack is told: where its data lies and on which loopback ports its processes listen."""

from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

Port = Annotated[int, Meta(ge=1, le=65_535)]


class StackSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Every field is the environment variable of its name in upper case; the ports keep clear of the backends' usual ones."""

    data: Path = Path(".data")
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
    def base_url(self) -> str:
        """What an OpenAI client is pointed at."""
        return f"http://127.0.0.1:{self.gateway_port}/v1"
