"""What one batch does to a partition's state: edits of sessions and exact sums, still without any storage."""

from typing import TypeAlias

import msgspec

SessionKey: TypeAlias = tuple[str, str]
TaskKey: TypeAlias = tuple[str, str]

COUNTERS = ""  # Stands for the task where a tenant's counters are meant.


class SessionEdit(msgspec.Struct, frozen=True, kw_only=True):
    """Fields to write into a session's record, fields to drop from it, and request ids that are only remembered."""

    written: dict[str, bytes] = {}
    dropped: tuple[str, ...] = ()
    seen: tuple[str, ...] = ()


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """
    The effect of one batch.

    *sessions* maps (tenant, session id) to its edit, *statistics* (tenant, task) and *counters* tenant to exact integers to
    add, by field. *rated* names the (tenant, task) whose evidence changed, *observed* all that changed in any
    way, (tenant, `COUNTERS`) among them.
    *duplicates* counts events that had no effect because they were known; *rated_at_ms* is when the oldest of the new
    ratings was received.
    """

    sessions: dict[SessionKey, SessionEdit] = {}
    statistics: dict[TaskKey, dict[str, int]] = {}
    counters: dict[str, dict[str, int]] = {}
    rated: frozenset[TaskKey] = frozenset()
    observed: frozenset[TaskKey] = frozenset()
    duplicates: int = 0
    rated_at_ms: int | None = None
