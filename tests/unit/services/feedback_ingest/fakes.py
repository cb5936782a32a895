"""Fakes of the ports of feedback-ingest, and the faults that tests inject into them."""

from collections.abc import Callable, Iterator

import msgspec

from libs.contracts.events import FeedbackReceived
from libs.contracts.state import FeedbackMark
from services.feedback_ingest.domain.ratings import mark_key
from services.feedback_ingest.ports import JudgeError, OverQuotaError, Quota, StoreUnavailableError


class Crash(BaseException):
    """The process died here; nobody can catch it."""


class Faults:
    """Kills the process at the *at*-th point that is passed: every call has one before its effect and one after."""

    def __init__(self, at: int | None = None) -> None:
        self.at = at
        self.passed = 0

    def point(self) -> None:
        self.passed += 1
        if self.passed - 1 == self.at:
            raise Crash


class FakeLedger:
    def __init__(self) -> None:
        self.marks: dict[str, FeedbackMark] = {}
        self.counts: dict[tuple[str, str], int] = {}
        self.faults = Faults()
        self.down = False

    async def find(self, key: str) -> FeedbackMark | None:
        self._reach()
        return self.marks.get(key)

    async def claim(self, event: FeedbackReceived, quota: Quota | None) -> FeedbackMark | None:
        self._reach()
        key = mark_key(event)
        found = self.marks.get(key)
        if found is None:
            self._count(event.tenant, quota)
            self.marks[key] = FeedbackMark(event=msgspec.json.encode(event).decode())
        self.faults.point()
        return found

    async def settle(self, key: str, mark: FeedbackMark) -> None:
        self._reach()
        if key in self.marks:
            self.marks[key] = mark
        self.faults.point()

    def _reach(self) -> None:
        self.faults.point()
        if self.down:
            raise StoreUnavailableError("down")

    def _count(self, tenant: str, quota: Quota | None) -> None:
        if quota is None:
            return
        used = self.counts.get((tenant, quota.month), 0)
        if quota.limit is not None and used >= quota.limit:
            raise OverQuotaError
        self.counts[tenant, quota.month] = used + 1


class FakeEvents:
    def __init__(self) -> None:
        self.published: list[tuple[str, bytes, bytes]] = []
        self.faults = Faults()
        self.error: Exception | None = None

    async def publish_durably(self, topic: str, key: bytes, value: bytes) -> None:
        self.faults.point()
        if self.error is not None:
            raise self.error
        self.published.append((topic, key, value))
        self.faults.point()

    def ratings(self) -> list[FeedbackReceived]:
        return [msgspec.json.decode(value, type=FeedbackReceived) for _, _, value in self.published]


class FakeSessions:
    """Knows *aliases*; those in *late* are known from the second question on."""

    def __init__(self) -> None:
        self.aliases: dict[tuple[str, str], str] = {}
        self.late: dict[tuple[str, str], str] = {}
        self.last: dict[tuple[str, str], str] = {}
        self.down = False

    async def of_alias(self, tenant: str, alias: str) -> str | None:
        self._reach()
        known = self.aliases.get((tenant, alias))
        self.aliases |= self.late
        return known

    async def last_of_key(self, tenant: str, key_id: str) -> str | None:
        self._reach()
        return self.last.get((tenant, key_id))

    def _reach(self) -> None:
        if self.down:
            raise StoreUnavailableError("down")


class FakePlans:
    def __init__(self) -> None:
        self.limits: dict[str, int] = {}
        self.down = False

    async def monthly_feedback(self, plan: str) -> int | None:
        if self.down:
            raise StoreUnavailableError("down")
        return self.limits.get(plan)


class FakeJudge:
    """Gives *answers* in turn; an exception among them is raised."""

    name = "judge-1"

    def __init__(self, *answers: str | JudgeError) -> None:
        self.asked: list[tuple[str, str]] = []
        self._answers: Iterator[str | JudgeError] = iter(answers)

    async def ask(self, system: str, user: str) -> str:
        self.asked.append((system, user))
        answer = next(self._answers)
        if isinstance(answer, JudgeError):
            raise answer
        return answer


def ticking(start_ms: int = 1_790_000_000_000) -> Callable[[], int]:
    """Return a clock that advances a millisecond each time it is read."""
    times = iter(range(start_ms, start_ms + 1_000_000))
    return lambda: next(times)
