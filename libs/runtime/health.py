"""Health: named checks with deadlines, summed up for a load balancer and spelled out for an operator."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Literal

import msgspec

Status = Literal["ok", "degraded", "failing"]
Check = Callable[[], Awaitable[str | None]]


class CheckResult(msgspec.Struct, frozen=True, kw_only=True):
    """What one check said; `detail` is for people and holds no secrets."""

    status: Status
    detail: str | None = None
    elapsed_ms: float


class HealthReport(msgspec.Struct, frozen=True, kw_only=True):
    """Every check, and the worst of them as `status`; a process that is not `failing` can serve."""

    status: Status
    checks: dict[str, CheckResult]


class Health:
    """The checks of one process."""

    def __init__(self) -> None:
        self._checks: dict[str, tuple[Check, float, bool]] = {}

    def add(self, name: str, check: Check, *, timeout_s: float = 1.0, required: bool = True) -> None:
        """
        Ask *check* under *name*: it returns None when all is well, a note when it serves with less, and raises when it cannot.

        A check that raises or exceeds *timeout_s* is `failing`; with *required* false it is `degraded`, for what the service
        can do without.
        """
        self._checks[name] = (check, timeout_s, required)

    async def report(self) -> HealthReport:
        """Run every check at once."""
        checks = dict(self._checks)  # One that is added meanwhile is asked the next time.
        results = await asyncio.gather(*(_run(*entry) for entry in checks.values()))
        worst: Status = "ok"
        if any(result.status != "ok" for result in results):
            worst = "failing" if any(result.status == "failing" for result in results) else "degraded"
        return HealthReport(status=worst, checks=dict(zip(checks, results, strict=True)))


async def _run(check: Check, timeout_s: float, required: bool) -> CheckResult:  # noqa: FBT001 - one private caller
    clock = asyncio.get_running_loop().time
    begin_s = clock()
    status: Status = "ok"
    try:
        note = await asyncio.wait_for(check(), timeout_s)
    except TimeoutError:
        note, status = f"no answer within {timeout_s:g} s", "failing"
    except Exception as error:  # noqa: BLE001 - whatever a check raises is its answer
        note, status = f"{type(error).__name__}: {error}", "failing"
    if status == "ok" and note is not None:
        status = "degraded"
    if status == "failing" and not required:
        status = "degraded"
    return CheckResult(status=status, detail=note, elapsed_ms=round((clock() - begin_s) * 1000, 3))
