"""From a label to a durable event: find the session, let only the first label of a subject through, publish."""

import asyncio
import contextlib
from collections.abc import Callable

import msgspec

from libs.contracts import topics
from libs.contracts.events import VerdictLabelled, session_key
from libs.contracts.state import FeedbackMark
from libs.redaction.redactor import Redactor
from libs.redaction.sessions import SessionNames
from services.firewall.domain import labels
from services.firewall.domain.labels import LabelRequest
from services.firewall.metrics import FirewallMetrics
from services.firewall.ports import Events, Marks, Policies, Sessions, StoreUnavailableError


class UnknownRequestError(Exception):
    """No session is known for the labelled request."""


class NoTrainingError(Exception):
    """A text came along, and the tenant's policy does not let its prompts train the scanner."""


class ConflictingLabelError(Exception):
    """The subject has another label already, which stands."""


class Labelled(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a label: *duplicate* says that its subject had the same one before."""

    event: VerdictLabelled
    duplicate: bool


class Labelling:
    """
    Takes labels, the first of each subject.

    The order is claim, publish, settle. What fails in between leaves a claim that is not settled; the next label of the same
    subject then publishes the claimed event again, and consumers drop the copy by its event id. Of comment and
    text nothing is kept before the tenant's redaction has seen it; *secret* keys its digests.
    """

    def __init__(
        self,
        sessions: Sessions,
        marks: Marks,
        policies: Policies,
        events: Events,
        metrics: FirewallMetrics,
        *,
        now_ms: Callable[[], int],
        secret: str,
    ) -> None:
        self._sessions = sessions
        self._policies = policies
        self._secret = secret
        self._names = SessionNames(secret)
        self._marks = marks
        self._events = events
        self._metrics = metrics
        self._now_ms = now_ms

    async def label(self, asked: LabelRequest, *, tenant: str, labeller: str) -> Labelled:
        """
        Return once the label is durable.

        Raises `UnknownRequestError`, `NoTrainingError`, `ConflictingLabelError`, `StoreUnavailableError`, and `PublishError` where
        the event could not be kept.
        """
        session_id = await self._session(asked, tenant)
        asked = await self._discreet(asked, tenant)
        event = labels.event(asked, tenant=tenant, session_id=session_id, labeller=labeller, now_ms=self._now_ms())
        own = FeedbackMark(event=_encode(event))
        found = await self._marks.claim(labels.mark_key(event), own)
        if found is None or found == own:  # Our own is found where the answer to the claim was lost.
            await self._complete(event, own)
            return self._labelled(event, duplicate=False)
        return await self._repeated(event, found)

    async def _session(self, asked: LabelRequest, tenant: str) -> str:
        named = self._names.of(tenant, asked.session_id or asked.request_id or "")
        session_id = await self._sessions.of_alias(tenant, named)
        if session_id is None and asked.session_id is None:
            raise UnknownRequestError
        return session_id or named

    async def _discreet(self, asked: LabelRequest, tenant: str) -> LabelRequest:
        if asked.text and not (await self._policies.of(tenant)).may_train:
            raise NoTrainingError
        if not (asked.comment or asked.text):
            return asked
        redactor = Redactor(await self._policies.redaction_of(tenant), tenant=tenant, secret=self._secret)
        # A long text takes tens of milliseconds, in small pieces: beside a thread the loop goes on answering scans.
        comment, text = await asyncio.to_thread(
            lambda: [redactor.text(said, "comment") if said else None for said in (asked.comment, asked.text)]
        )
        return msgspec.structs.replace(asked, comment=comment, text=text)

    async def _repeated(self, event: VerdictLabelled, mark: FeedbackMark) -> Labelled:
        earlier = msgspec.json.decode(mark.event, type=VerdictLabelled)
        if not mark.published:
            await self._complete(earlier, mark)
        if earlier.label != event.label:
            raise ConflictingLabelError
        return self._labelled(earlier, duplicate=True)

    async def _complete(self, event: VerdictLabelled, mark: FeedbackMark) -> None:
        key = session_key(event.tenant, event.session_id)
        await self._events.publish_durably(topics.VERDICTS.name, key, mark.event.encode())
        # The label is durable. An unsettled claim only costs one more copy of the same event.
        with contextlib.suppress(StoreUnavailableError):
            await self._marks.settle(labels.mark_key(event), FeedbackMark(event=_encode(_bare(event)), published=True))

    def _labelled(self, event: VerdictLabelled, *, duplicate: bool) -> Labelled:
        self._metrics.labels.labels(event.label, "repeated" if duplicate else "recorded").inc()
        return Labelled(event=event, duplicate=duplicate)


def _bare(event: VerdictLabelled) -> VerdictLabelled:
    """Return what a later label of the subject has to know; the words are in the log."""
    return msgspec.structs.replace(event, comment=None, text=None)


def _encode(event: VerdictLabelled) -> str:
    return msgspec.json.encode(event).decode()
