"""What another policy would have been worth on the traffic of a time range, and at what cost."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from libs.contracts.events import FeedbackReceived, RequestCompleted
from libs.routing.offpolicy import Evaluation, evaluate
from libs.routing.replay import Past
from services.router.domain.counterfactual import Alternative, Courses
from services.router.domain.queries import Filters, rfc3339
from services.router.ports import AuditLog
from services.router.replaying import Snapshots

SESSIONS_AT_A_TIME = 1_000


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """Which traffic, under which other policy, and to how many score points the answer has to be precise."""

    filters: Filters
    alternative: Alternative
    precision: float = 0.05


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """The evaluation, and how many courses could not be used, by reason."""

    evaluation: Evaluation
    skipped: dict[str, int]


async def what_if(
    log: AuditLog, question: Question, past: Past, *, progress: Callable[[int], None] = lambda _read: None
) -> Answer:
    """Read the range once and evaluate; *progress* is told how many requests have been read."""
    courses, snapshots, read = Courses(question.alternative, past), Snapshots(log, question.filters.tenant), 0
    async for chunk in log.export(question.filters):
        decisions = [event.decision for event in chunk if event.decision is not None]
        found = await snapshots.of(decisions) if question.alternative.routes else {}

        def add(chunk: Sequence[RequestCompleted] = chunk, found: Any = found) -> None:
            for event in chunk:
                courses.add(event, found)

        await asyncio.to_thread(add)
        read += len(chunk)
        progress(read)
    ratings = await _ratings(log, question.filters.tenant, courses.sessions())
    evaluation = evaluate(list(courses.draws(ratings)), precision=question.precision)
    return Answer(evaluation=evaluation, skipped=dict(sorted(courses.skipped.items())))


def view(question: Question, answer: Answer) -> dict[str, Any]:
    """Return the answer on the wire; a draw is the course of a session through one task."""
    return {
        "from": rfc3339(question.filters.from_ms or 0),
        "to": rfc3339(question.filters.to_ms or 0),
        "policy": {
            name: value for name, value in msgspec.to_builtins(question.alternative).items() if value is not None
        },
        "precision": question.precision,
        **msgspec.to_builtins(answer.evaluation),
        "skipped": answer.skipped,
    }


async def _ratings(log: AuditLog, tenant: str, sessions: Sequence[str]) -> list[FeedbackReceived]:
    found: list[FeedbackReceived] = []
    for start in range(0, len(sessions), SESSIONS_AT_A_TIME):
        found += await log.ratings(tenant, sessions[start : start + SESSIONS_AT_A_TIME])
    return found
