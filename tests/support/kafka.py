"""A Kafka that a test was given: its address, what it can do, and the switch for outages."""

from collections.abc import Callable
from typing import Protocol

import pytest


class Broker(Protocol):
    """A broker process that is ours to stop."""

    def start(self) -> None: ...

    def stop(self) -> int: ...

    def kill(self) -> int: ...


class KafkaBackend:
    """
    One broker as one test sees it.

    `prefix` is unique to the test: begin every topic and group name with it. `durable`: records outlive a restart.
    `idempotent`: idempotent and transactional producers work.
    """

    def __init__(self, *, bootstrap: str, prefix: str, durable: bool, idempotent: bool, broker: Broker | None) -> None:
        self.bootstrap = bootstrap
        self.prefix = prefix
        self.durable = durable
        self.idempotent = idempotent
        self._broker = broker
        self._stopped = False

    def stop(self) -> None:
        """Begin an outage; skips the test when the broker is somebody else's."""
        self._end(lambda broker: broker.stop())

    def kill(self) -> None:
        """Begin an outage by a crash; skips the test when the broker is somebody else's."""
        self._end(lambda broker: broker.kill())

    def start(self) -> None:
        """End the outage; returns when the broker answers. Does nothing when there is no outage."""
        if self._stopped and self._broker is not None:
            self._broker.start()
            self._stopped = False

    def _end(self, end: Callable[[Broker], int]) -> None:
        if self._broker is None:
            pytest.skip(f"the Kafka at {self.bootstrap} is not ours to stop")
        end(self._broker)
        self._stopped = True
