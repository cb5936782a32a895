"""What the firewall needs from the outside, each with its failure."""

from collections.abc import AsyncIterator
from typing import Protocol

import msgspec

from libs.contracts.state import FeedbackMark, FirewallPolicy, Quarantine, RedactionPolicy
from services.firewall.domain.evidence import Clues


class StoreUnavailableError(Exception):
    """Redis did not answer in time."""


class Policies(Protocol):
    """What tenants want, the defaults where they said nothing; everything raises `StoreUnavailableError`."""

    async def of(self, tenant: str) -> FirewallPolicy:
        """Return how prompts are scanned."""

    async def redaction_of(self, tenant: str) -> RedactionPolicy:
        """Return what is taken out of texts before they are published."""


class SecondReader(Protocol):
    """The second opinion on a text."""

    async def read(self, text: str, deadline_s: float) -> float:
        """Return the log-odds that *text* is an attack; raises a `ScannerError` where there is no answer in time."""


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """Where a session stands: what its evidence comes to, and the quarantine that holds; *new* says that it was put just now."""

    evidence: float = 0.0
    quarantine: Quarantine | None = None
    new: bool = False


class Quarantines(Protocol):
    """Evidence against sessions, and those that it quarantined; everything raises `StoreUnavailableError`."""

    async def weigh(self, tenant: str, session_id: str, clues: Clues, hostile: Quarantine, *, now_ms: int) -> Standing:
        """
        Add *clues*, at least one; where the total grew and makes the session hostile, put *hostile*.

        Both happen or neither. What was added before changes nothing, whatever came in between.
        """

    async def release(self, tenant: str, session_id: str) -> Quarantine | None:
        """End the quarantine and return it, None where there was none; what was held against the session weighs nothing any more."""

    def standing(self, tenant: str) -> AsyncIterator[tuple[str, Quarantine]]:
        """Yield the id of each quarantined session of *tenant*, with its quarantine."""


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
