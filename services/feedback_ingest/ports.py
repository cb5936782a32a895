"""What feedback-ingest needs from the outside, each with its failure."""

from typing import Protocol

import msgspec

from libs.contracts.events import ControlChanged, FeedbackReceived
from libs.contracts.state import FeedbackMark
from libs.routing.priors import Priors


class StoreUnavailableError(Exception):
    """Redis did not answer in time; nothing is known about what it holds."""


class LogUnavailableError(Exception):
    """The broker did not acknowledge: the change may or may not be in the log, repeating it is harmless."""


class OverQuotaError(Exception):
    """The tenant has used up its ratings of the month."""


class JudgeError(Exception):
    """The judge gave no usable answer; the message is the class of the failure."""


class Quota(msgspec.Struct, frozen=True, kw_only=True):
    """How many ratings *month* (`2026-11`) may have; None means unlimited."""

    month: str
    limit: int | None = None


class Sessions(Protocol):
    """What the gateway remembers about sessions. Every method raises `StoreUnavailableError`."""

    async def of_alias(self, tenant: str, alias: str) -> str | None:
        """Return the session that a completion id or request id belongs to, or None."""

    async def last_of_key(self, tenant: str, key_id: str) -> str | None:
        """Return the session that an API key used last, or None."""


class Ledger(Protocol):
    """The first rating of each subject. Every method raises `StoreUnavailableError`."""

    async def find(self, key: str) -> FeedbackMark | None:
        """Return the mark under *key*, or None."""

    async def claim(self, event: FeedbackReceived, quota: Quota | None) -> FeedbackMark | None:
        """
        Make *event* the rating of its subject, unpublished, and count it against *quota*, in one step; return None.

        Where the subject has a mark already, return that and change nothing. Raises `OverQuotaError` when the month is used
        up; a repetition is never over quota.
        """

    async def settle(self, key: str, mark: FeedbackMark) -> None:
        """Note that the event of *mark* is durable."""


class Plans(Protocol):
    """Quotas of plans."""

    async def monthly_feedback(self, plan: str) -> int | None:
        """Return how many ratings a month *plan* allows, None for unlimited; raises `StoreUnavailableError`."""


class Benchmarks(Protocol):
    """The Day-0 table that everybody reads."""

    async def in_force(self) -> Priors:
        """Return the table in force, the shipped one where none was loaded; raises `StoreUnavailableError`."""


class BenchmarkLog(Protocol):
    """The control log, for Day-0 tables."""

    async def append(self, change: ControlChanged) -> None:
        """Return once the broker has acknowledged *change*; raises `LogUnavailableError`."""


class Events(Protocol):
    """Where events go."""

    async def publish_durably(self, topic: str, key: bytes, value: bytes) -> None:
        """Return once the event survives a power cut, else raise `libs.kafka.ports.PublishError`."""


class Judge(Protocol):
    """The model that scores other models' answers."""

    @property
    def name(self) -> str:
        """Return the judge's model id."""

    async def ask(self, system: str, user: str) -> str:
        """Return the judge's answer to the two messages; raises `JudgeError` once its retries are used up."""
