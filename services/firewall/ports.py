"""What the firewall needs from the outside, each with its failure."""

from typing import Protocol

from libs.contracts.state import FeedbackMark, FirewallPolicy, Quarantine


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


class Sessions(Protocol):
    """What the gateway remembers about sessions."""

    async def of_alias(self, tenant: str, alias: str) -> str | None:
        """Return the session that a completion id or request id belongs to, or None; raises `StoreUnavailableError`."""


class Marks(Protocol):
    """The first label of each subject. Every method raises `StoreUnavailableError`."""

    async def claim(self, key: str, mark: FeedbackMark) -> FeedbackMark | None:
        """Put *mark* where there is none and return None; else change nothing and return the one that is there."""

    async def settle(self, key: str, mark: FeedbackMark) -> None:
        """Put *mark* in place of what was claimed: its event is durable."""


class Events(Protocol):
    """Where events go."""

    async def publish_durably(self, topic: str, key: bytes, value: bytes) -> None:
        """Return once the event survives a power cut, else raise `libs.kafka.ports.PublishError`."""
