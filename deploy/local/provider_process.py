"""The simulated provider as a process; the server itself is `deploy.local.provider`."""

import sys
from pathlib import Path

from deploy.local.process import ProcessSpec, TcpProbe

NAME = "provider"


def provider(*, port: int, models: tuple[str, ...] = (), recorded: Path | None = None) -> ProcessSpec:
    """Return the provider on loopback `port`, serving `models` and answering from the `recorded` outcomes if given."""
    options = [f"--port={port}"]
    if models:
        options.append(f"--models={','.join(models)}")
    if recorded:
        options.append(f"--recorded={recorded.resolve()}")
    return ProcessSpec(
        name=NAME,
        argv=(sys.executable, "-m", "deploy.local.provider", *options),
        ready=TcpProbe(port=port),
    )
