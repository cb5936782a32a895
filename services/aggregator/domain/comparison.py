"""Two sets of sums that must agree, and where they do not."""

from collections.abc import Iterator, Mapping

import msgspec

from services.aggregator.domain.change import TaskKey


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """One integer that differs: what the learner *streamed* against what the log *logged* says; absent is 0."""

    tenant: str
    task: str
    field: str
    streamed: int
    logged: int


def differences(
    streamed: Mapping[TaskKey, Mapping[str, int]], logged: Mapping[TaskKey, Mapping[str, int]]
) -> Iterator[Difference]:
    """Yield every field in which the two differ, in order."""
    for tenant, task in sorted(streamed.keys() | logged.keys()):
        ours, theirs = streamed.get((tenant, task), {}), logged.get((tenant, task), {})
        for field in sorted(ours.keys() | theirs.keys()):
            if ours.get(field, 0) != theirs.get(field, 0):
                yield Difference(
                    tenant=tenant, task=task, field=field, streamed=ours.get(field, 0), logged=theirs.get(field, 0)
                )
