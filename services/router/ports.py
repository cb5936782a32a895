"""What the router needs of the outside: the control log, its read model, live routing state, the decision log, a scanner."""

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from libs.contracts.events import (
    ControlChanged,
    ControlKind,
    FeedbackReceived,
    FirewallVerdict,
    RequestCompleted,
    WeightsPublished,
)
from libs.contracts.state import FirewallPolicy, SessionState
from libs.routing.priors import Priors
from services.router.domain.entities import Entry, Place, Ref
from services.router.domain.queries import Filters, Page
from services.router.domain.training import LabelledPrompt
from services.router.domain.transcripts import Turn
from services.router.domain.verification import Arm, Route


class ControlLogUnavailableError(Exception):
    """The change was not acknowledged: it may or may not be in the log, repeating it is harmless."""


class PolicyUnavailableError(Exception):
    """The read model or the live state does not answer."""


class DecisionLogUnavailableError(Exception):
    """The store of decisions does not answer."""


class BusyError(Exception):
    """Somebody else is changing the policy of the same tenant."""


class ControlLog(Protocol):
    """The `control` topic: the source of truth."""

    async def append(self, change: ControlChanged) -> None:
        """Return once the broker has acknowledged *change*; raises `ControlLogUnavailableError`."""


class ReadModel(Protocol):
    """The newest state of every entity, as far as the log has been applied; raises `PolicyUnavailableError`."""

    async def entry(self, ref: Ref) -> Entry | None:
        """Return the newest change of one entity, None where it never existed."""

    async def entries(self, tenant: str, kind: ControlKind) -> Sequence[Entry]:
        """Return the newest change of each entity of a kind, deleted ones too, in no order."""

    def exclusive(self, tenant: str) -> AbstractAsyncContextManager[None]:
        """Let one writer at a time change the tenant's policy; raises `BusyError` after a bounded wait."""


class Materialisation(Protocol):
    """The writing side of the read model, for the one consumer of the log; raises `PolicyUnavailableError`."""

    async def apply(self, change: ControlChanged, place: Place) -> None:
        """Bring the gateways' state in line with *change*, unless something later of the same log has; announce it."""

    async def resume_point(self) -> Place | None:
        """Return the place after the last applied change, None where the read model is empty."""

    async def keep_resume_point(self, place: Place, *, last_event_id: str | None) -> None:
        """Remember that everything before *place* is applied, and the event that stands right before it."""

    async def last_event_id(self) -> str | None:
        """Return the event that stands right before the resume point."""


class DecisionLog(Protocol):
    """Every request with its decision, as stored for good; each method raises `DecisionLogUnavailableError`."""

    async def find(self, tenant: str, request_id: str) -> RequestCompleted | None:
        """Return one request of the tenant, None where it has none of that id or its row has not landed yet."""

    async def page(self, page: Page) -> Sequence[RequestCompleted]:
        """Return up to `limit + 1` requests, newest first: one more than asked says that there are more."""

    async def ratings(self, tenant: str, session_ids: Collection[str]) -> Sequence[FeedbackReceived]:
        """Return every rating of these sessions."""

    def export(self, filters: Filters) -> AsyncIterator[Sequence[RequestCompleted]]:
        """Yield all requests, oldest first, a bounded number at a time."""

    async def transcripts(self, tenant: str, session_id: str) -> Sequence[Turn]:
        """Return the stored bodies of a session, oldest first, without those that have expired."""


class AuditLog(Protocol):
    """The decision log of every tenant, and the weights of every version; raises `DecisionLogUnavailableError`."""

    async def tenants(self, *, from_ms: int, to_ms: int) -> Sequence[str]:
        """Return who made requests in the time range, in order."""

    async def count(self, filters: Filters) -> int:
        """Return about how many requests `export` yields: redelivered ones may count twice."""

    def export(self, filters: Filters) -> AsyncIterator[Sequence[RequestCompleted]]:
        """Yield all requests, oldest first, a bounded number at a time."""

    async def ratings(self, tenant: str, session_ids: Collection[str]) -> Sequence[FeedbackReceived]:
        """Return every rating of these sessions."""

    async def weights(self, tenant: str, event_ids: Collection[str]) -> Sequence[WeightsPublished]:
        """Return those of these publications that are of the tenant or the pool."""


class OutcomeLog(Protocol):
    """How rated sessions came out; each method raises `DecisionLogUnavailableError`."""

    async def tenants(self, *, from_ms: int, to_ms: int) -> Sequence[str]:
        """Return who made requests in the time range, in order."""

    async def arms(self, route: Route, *, since_ms: int) -> Sequence[Arm]:
        """Return the outcomes of the route's rated sessions that began since then."""

    async def shadowed_sessions(self, route: Route, *, since_ms: int) -> int:
        """Return how many sessions of the route had a choice recorded that was not served."""


class LabelLog(Protocol):
    """What tenants said of the firewall's verdicts; raises `DecisionLogUnavailableError`."""

    async def tenants(self, *, from_ms: int, to_ms: int) -> Sequence[str]:
        """Return who labelled in the time range, in order."""

    def prompts(self, tenant: str, *, from_ms: int, to_ms: int) -> AsyncIterator[Sequence[LabelledPrompt]]:
        """Yield the labelled requests of the tenant, oldest label first, a bounded number at a time."""


class LiveState(Protocol):
    """What gateways route by at this moment; raises `PolicyUnavailableError`."""

    async def weights(self, scope: str) -> WeightsPublished | None:
        """Return the newest weights of a tenant or of the pool, None where nothing was published."""

    async def benchmarks(self) -> Priors:
        """Return the Day-0 table in force."""

    async def session(self, tenant: str, session_id: str) -> SessionState:
        """Return what is remembered of a session; an unknown one has no pins."""


class ScanUnavailableError(Exception):
    """The firewall gave no verdict."""


class Firewall(Protocol):
    """The prompt firewall."""

    async def scan(self, body: bytes, policy: FirewallPolicy) -> FirewallVerdict:
        """Return what is found in a chat body, whatever the policy's mode; raises `ScanUnavailableError`."""
