"""The embedded ClickHouse as a process; the server itself is `deploy.local.clickhouse`."""

import sys
from pathlib import Path

from deploy.local.process import ProcessSpec, TcpProbe

NAME = "clickhouse"


def clickhouse(*, port: int, data: Path) -> ProcessSpec:
    """Return the server on loopback `port` with its tables under `data`."""
    return ProcessSpec(
        name=NAME,
        argv=(sys.executable, "-m", "deploy.local.clickhouse", f"--port={port}", f"--path={data.resolve()}"),
        ready=TcpProbe(port=port),
    )
