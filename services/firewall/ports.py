"""What the firewall needs from the outside, each with its failure."""

from typing import Protocol

from libs.contracts.state import FirewallPolicy, Quarantine


class StoreUnavailableError(Exception):
    """Redis did not answer in time."""


class Policies(Protocol):
    """How tenants want prompts scanned."""

    async def of(self, tenant: str) -> FirewallPolicy:
        """Return the tenant's policy, the default one where it has none; raises `StoreUnavailableError`."""


class Quarantines(Protocol):
    """Sessions that turned hostile."""

    async def put(self, tenant: str, session_id: str, quarantine: Quarantine, *, now_ms: int) -> None:
        """Quarantine the session until `quarantine.until_ms`; raises `StoreUnavailableError`."""


class Events(Protocol):
    """Where events go."""

    async def publish_durably(self, topic: str, key: bytes, value: bytes) -> None:
        """Return once the event survives a power cut, else raise `libs.kafka.ports.PublishError`."""
