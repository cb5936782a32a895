"""From a rating to a durable event: find the session, let only the first rating of a subject through, publish."""

import asyncio
from collections.abc import Callable, Sequence

import msgspec

from libs.contracts import topics
from libs.contracts.events import FeedbackReceived, session_key
from libs.contracts.state import FeedbackMark
from libs.redaction.sessions import SessionNames
from services.feedback_ingest.domain import months, ratings
from services.feedback_ingest.domain.dialects import Submission
from services.feedback_ingest.domain.ratings import ManualRating
from services.feedback_ingest.metrics import FeedbackMetrics
from services.feedback_ingest.ports import Events, Ledger, Plans, Quota, Sessions, StoreUnavailableError

COMPLETION_PREFIX = "chatcmpl-"


class NoSessionError(Exception):
    """Nobody said which session is rated, and the key has not used one lately."""


class UnknownRequestError(Exception):
    """No session is known for the rated request."""


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """Who is rating."""

    tenant: str
    key_id: str
    plan: str


class Recorded(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a rating: *duplicate* says that its subject had been rated before and nothing changed."""

    event: FeedbackReceived
    duplicate: bool


class SessionFinder:
    """
    Finds the session that somebody means.

    The gateway stores a completion's session only after its answer, so a rating can be faster: a completion id that is not
    known yet is looked up again after each of *retry_delays_s*.
    """

    def __init__(
        self, sessions: Sessions, names: SessionNames, *, retry_delays_s: Sequence[float] = (0.05, 0.15, 0.3)
    ) -> None:
        self._sessions = sessions
        self._names = names
        self._retry_delays_s = retry_delays_s

    async def find(self, caller: Caller, named: str | None) -> str:
        """
        Return the session that *named* is or stands for, else the session that the key used last.

        An id that nobody knows is taken as a session id: feedback may be early. Raises `NoSessionError`, and
        `StoreUnavailableError` where only Redis could tell.
        """
        if named is None:
            return await self._last(caller)
        named = self._names.of(caller.tenant, named)
        try:
            return await self._by_alias(caller.tenant, named) or named
        except StoreUnavailableError:
            if named.startswith(COMPLETION_PREFIX):
                raise
            return named

    async def of_request(self, caller: Caller, request_id: str) -> str:
        """Return the session of a request; raises `UnknownRequestError` and `StoreUnavailableError`."""
        session = await self._sessions.of_alias(caller.tenant, request_id)
        if session is None:
            raise UnknownRequestError(request_id)
        return session

    async def _last(self, caller: Caller) -> str:
        session = await self._sessions.last_of_key(caller.tenant, caller.key_id)
        if session is None:
            raise NoSessionError
        return session

    async def _by_alias(self, tenant: str, alias: str) -> str | None:
        session = await self._sessions.of_alias(tenant, alias)
        delays_s = self._retry_delays_s if alias.startswith(COMPLETION_PREFIX) else ()
        for delay_s in delays_s:
            if session is not None:
                break
            await asyncio.sleep(delay_s)
            session = await self._sessions.of_alias(tenant, alias)
        return session


class Recorder:
    """
    Publishes the first rating of each subject and no other.

    The order is claim, publish, settle. Whatever fails in between leaves a claim that is not settled; the next rating of the
    same subject then publishes the claimed event again, so it is neither lost nor replaced, and consumers drop the copy by
    its event id.
    """

    def __init__(self, ledger: Ledger, events: Events, metrics: FeedbackMetrics) -> None:
        self._ledger = ledger
        self._events = events
        self._metrics = metrics

    async def record(self, event: FeedbackReceived, quota: Quota | None = None) -> Recorded:
        """
        Return once the subject's rating is durable; raises `OverQuotaError` and `PublishError`.

        Without Redis the event is published unchecked: the aggregator keeps the first rating of a subject anyway.
        """
        own = FeedbackMark(event=_encode(event))
        try:
            mark = await self._ledger.claim(event, quota)
        except StoreUnavailableError:
            self._metrics.unchecked.labels(event.source).inc()
            await self._publish(event, own.event)
            return self._recorded(event, duplicate=False)
        if (
            mark is None or mark == own
        ):  # Our own mark is found where the answer to the claim was lost and it was repeated.
            await self._complete(event, own)
            return self._recorded(event, duplicate=False)
        await self.resume(mark)
        return self._recorded(event, duplicate=True)

    async def resume(self, mark: FeedbackMark) -> None:
        """Publish the event of a *mark* that was found, unless that has been done."""
        if mark.published:
            return
        self._metrics.completed.inc()
        await self._complete(msgspec.json.decode(mark.event, type=FeedbackReceived), mark)

    async def _complete(self, event: FeedbackReceived, mark: FeedbackMark) -> None:
        await self._publish(event, mark.event)
        try:
            await self._ledger.settle(ratings.mark_key(event), FeedbackMark(event=mark.event, published=True))
        except StoreUnavailableError:
            # The rating is durable. An unsettled claim only costs one more copy of the same event.
            self._metrics.unchecked.labels(event.source).inc()

    async def _publish(self, event: FeedbackReceived, value: str) -> None:
        key = session_key(event.tenant, event.session_id)
        await self._events.publish_durably(topics.FEEDBACK.name, key, value.encode())

    def _recorded(self, event: FeedbackReceived, *, duplicate: bool) -> Recorded:
        self._metrics.ratings.labels(event.source, "repeated" if duplicate else "recorded").inc()
        return Recorded(event=event, duplicate=duplicate)


class Intake:
    """Takes the ratings that people send."""

    def __init__(self, finder: SessionFinder, plans: Plans, recorder: Recorder, now_ms: Callable[[], int]) -> None:
        self._finder = finder
        self._plans = plans
        self._recorder = recorder
        self._now_ms = now_ms

    async def rate_session(self, submission: Submission, caller: Caller, *, header_session: str | None) -> Recorded:
        """Record a user's rating; raises what `SessionFinder.find` and `Recorder.record` raise."""
        session_id = await self._finder.find(caller, submission.session or header_session)
        now_ms = self._now_ms()
        event = ratings.session_rating(submission, tenant=caller.tenant, session_id=session_id, now_ms=now_ms)
        return await self._recorder.record(event, await self._quota(caller, now_ms))

    async def rate_manually(self, rating: ManualRating, caller: Caller) -> Recorded:
        """Record an admin's rating; raises what `SessionFinder` and `Recorder.record` raise."""
        session_id = await self._rated_session(rating, caller)
        now_ms = self._now_ms()
        event = ratings.manual_rating(
            rating, tenant=caller.tenant, session_id=session_id, rater=caller.key_id, now_ms=now_ms
        )
        return await self._recorder.record(event, await self._quota(caller, now_ms))

    async def _rated_session(self, rating: ManualRating, caller: Caller) -> str:
        if rating.request_id is not None and rating.session_id is None:
            return await self._finder.of_request(caller, rating.request_id)
        return await self._finder.find(caller, rating.session_id)

    async def _quota(self, caller: Caller, now_ms: int) -> Quota:
        month = months.month_of(now_ms)
        try:
            return Quota(month=month, limit=await self._plans.monthly_feedback(caller.plan))
        except StoreUnavailableError:
            return Quota(month=month)


def _encode(event: FeedbackReceived) -> str:
    return msgspec.json.encode(event).decode()
