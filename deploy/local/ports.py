"""Whether the ports of the stack are free, before anything is started."""

import socket
from collections.abc import Sequence

from deploy.local.process import ProcessSpec


class PortTakenError(Exception):
    """Somebody listens on a port that the stack needs; the message names the variable that moves it."""


def check_free(specs: Sequence[ProcessSpec]) -> None:
    """Raise PortTakenError for the first port that cannot be listened on."""
    for spec in specs:
        with socket.socket() as probe:
            # What a server sets too: connections that are still being closed do not hold the port.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((spec.ready.host, spec.port))
            except OSError as error:
                raise PortTakenError(
                    f"port {spec.port} of {spec.name} is taken; end what listens there or set {spec.port_variable}"
                ) from error
