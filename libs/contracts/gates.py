"""What optimisation gates may hold: each limit in its range, each window a stretch of hours or days."""

import math
import re

from libs.contracts.state import OptimizationGates

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
MAX_WINDOW_DAYS = 90
_WINDOW = re.compile(r"([1-9]\d{0,3})([hd])")
_MOST = {"max_regression": 1.0, "max_cost_increase": math.inf}
_SHARES = ("confidence_threshold", "max_outcome_variance", "max_cost_drop_without_validation", "canary_share")


class GateError(ValueError):
    """A gate cannot have this value: *field* names it, the message the fix."""

    def __init__(self, field: str, fix: str) -> None:
        super().__init__(f"{field}: {fix}")
        self.field = field


def check(gates: OptimizationGates) -> None:
    """Raise `GateError` on the first value that is out of its range."""
    for name, most in _MOST.items():
        bound = getattr(gates, name)
        if bound is not None:
            _check_number(f"{name}.value", bound.value, at_most=most)
            window_ms(bound.window, field=f"{name}.window")
    for name in _SHARES:
        _check_number(name, getattr(gates, name), at_most=1.0)
    _check_number("min_samples_before_promotion", gates.min_samples_before_promotion, at_most=math.inf)


def window_ms(window: str, *, field: str = "window") -> int:
    """Return the milliseconds of `24h` or `7d`; raises `GateError` naming *field*."""
    found = _WINDOW.fullmatch(window)
    length_ms = int(found[1]) * (HOUR_MS if found[2] == "h" else DAY_MS) if found else 0
    if not 0 < length_ms <= MAX_WINDOW_DAYS * DAY_MS:
        raise GateError(field, f"use hours or days up to {MAX_WINDOW_DAYS}d, as in 24h or 7d")
    return length_ms


def _check_number(name: str, value: float | None, *, at_most: float) -> None:
    if value is not None and not (math.isfinite(value) and 0 <= value <= at_most):
        bound = "" if at_most == math.inf else f" and at most {at_most:g}"
        raise GateError(name, f"has to be 0 or more{bound}")
