"""Exact sums as they are stored: one integer per field, named after what it is about."""

from collections.abc import Iterable, Iterator, Mapping
from typing import cast

import msgspec

from libs.contracts.events import RequestCompleted
from libs.contracts.topics import DAY_MS
from libs.routing.operations import Operations, summed
from libs.routing.statistics import Cell, FeedbackSource, Moments

REQUESTS = "requests"
RATED_SESSIONS = "rated_sessions"
FAILED_OUTCOMES = ("error", "timeout")

_EVIDENCE = "s"
_OPERATIONS = "o"


class TaskStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """The sums of one (tenant, task): evidence by cell, operations by (model, day)."""

    evidence: dict[Cell, Moments] = {}
    operations: dict[tuple[str, int], Operations] = {}


class TenantStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a tenant over all partitions: its counters, and the sums of the tasks that were asked for."""

    requests: int = 0
    rated_sessions: int = 0
    tasks: dict[str, TaskStatistics] = {}


def evidence_fields(cell: Cell, moments: Moments) -> Iterator[tuple[str, int]]:
    """Yield the fields of one cell with what each gains."""
    prefix = f"{_EVIDENCE}:{cell.source}:{cell.day}"
    yield f"{prefix}:n:{cell.model}", moments.n
    yield f"{prefix}:sum_x:{cell.model}", moments.sum_x
    yield f"{prefix}:sum_xx:{cell.model}", moments.sum_xx


def operations_fields(model: str, day: int, operations: Operations) -> Iterator[tuple[str, int]]:
    """Yield the fields of one model's day with what each gains."""
    for name in operations.__struct_fields__:
        yield f"{_OPERATIONS}:{day}:{name}:{model}", getattr(operations, name)


def served_by_model(event: RequestCompleted) -> bool:
    """Say whether the request speaks for its model: the model itself answered it, to the end."""
    fresh = event.status == "ok" and event.cache in ("off", "miss")
    return fresh and event.model is not None and event.decision is not None


def is_request_of_tenant(event: RequestCompleted) -> bool:
    """Say whether the request counts towards the tenant's phase: it got an answer, from a model or a cache."""
    return event.status in ("ok", "cache_hit")


def day_of(time_ms: int) -> int:
    """Return the day since the epoch (UTC)."""
    return time_ms // DAY_MS


def failed_models(event: RequestCompleted) -> tuple[str, ...]:
    """Return the model of each attempt that failed upstream, once per attempt."""
    return tuple(attempt.model for attempt in event.attempts if attempt.outcome in FAILED_OUTCOMES)


def operations_of(event: RequestCompleted) -> Iterator[tuple[str, Operations]]:
    """Yield what one request adds, by model."""
    for model in failed_models(event):
        yield model, Operations(errors=1)
    if served_by_model(event):
        yield (
            cast(str, event.model),
            Operations(
                requests=1,
                cost_micro_usd=event.cost_micro_usd,
                latency_ms=event.latency_ms,
                **msgspec.structs.asdict(event.usage),
            ),
        )


def parse(task: str, fields: Mapping[str, int]) -> TaskStatistics:
    """Return the statistics that *fields* hold; the reverse of `evidence_fields` and `operations_fields`."""
    evidence: dict[Cell, dict[str, int]] = {}
    operations: dict[tuple[str, int], dict[str, int]] = {}
    # In order, so that floating-point sums over the statistics come out the same each time.
    for field, value in sorted(fields.items()):
        kind, _, rest = field.partition(":")
        if kind == _EVIDENCE:
            source, day, name, model = rest.split(":", 3)
            cell = Cell(task=task, model=model, source=cast(FeedbackSource, source), day=int(day))
            evidence.setdefault(cell, {})[name] = value
        else:
            day, name, model = rest.split(":", 2)
            operations.setdefault((model, int(day)), {})[name] = value
    return TaskStatistics(
        evidence={cell: Moments(**moments) for cell, moments in evidence.items()},
        operations={key: Operations(**sums) for key, sums in operations.items()},
    )


def total(parts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """Return the field-wise sum, without fields that came to nothing."""
    sums: dict[str, int] = {}
    for part in parts:
        for field, value in part.items():
            sums[field] = sums.get(field, 0) + value
    return {field: value for field, value in sums.items() if value}


def recent(operations: Mapping[tuple[str, int], Operations], *, since_day: int) -> dict[str, Operations]:
    """Return model → its operations from *since_day* on."""
    found: dict[str, list[Operations]] = {}
    for (model, day), item in operations.items():
        if day >= since_day:
            found.setdefault(model, []).append(item)
    return {model: summed(items) for model, items in found.items()}
