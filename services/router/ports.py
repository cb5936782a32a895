"""What the router needs of the outside: the control log, its read model, live routing state, the decision log, a scanner."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from libs.contracts.events import ControlChanged, ControlKind
from services.router.domain.entities import Entry, Place, Ref


class ControlLogUnavailableError(Exception):
    """The change was not acknowledged: it may or may not be in the log, repeating it is harmless."""


class DecisionLogUnavailableError(Exception):
    """The store of decisions does not answer."""


class BusyError(Exception):
    """Somebody else is changing the policy of the same tenant."""


class ControlLog(Protocol):
    """The `control` topic: the source of truth."""

    async def append(self, change: ControlChanged) -> None:
        """Return once the broker has acknowledged *change*; raises `ControlLogUnavailableError`."""


class ReadModel(Protocol):
    """The newest state of every entity, as far as the log has been applied."""

    async def entry(self, ref: Ref) -> Entry | None:
        """Return the newest change of one entity, None where it never existed."""

    async def entries(self, tenant: str, kind: ControlKind) -> Sequence[Entry]:
        """Return the newest change of each entity of a kind, deleted ones too, in no order."""

    def exclusive(self, tenant: str) -> AbstractAsyncContextManager[None]:
        """Let one writer at a time change the tenant's policy; raises `BusyError` after a bounded wait."""


class Materialisation(Protocol):
    """The writing side of the read model, for the one consumer of the log."""

    async def apply(self, change: ControlChanged, place: Place) -> None:
        """Bring the gateways' state in line with *change*, unless something later of the same log has; announce it."""

    async def resume_point(self) -> Place | None:
        """Return the place after the last applied change, None where the read model is empty."""

    async def keep_resume_point(self, place: Place, *, last_event_id: str | None) -> None:
        """Remember that everything before *place* is applied, and the event that stands right before it."""

    async def last_event_id(self) -> str | None:
        """Return the event that stands right before the resume point."""
