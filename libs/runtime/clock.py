"""The wall clock: composition roots pass these functions on, everything else takes `now` as an argument."""

import time


def epoch_s() -> float:
    """Return seconds since the Unix epoch."""
    return time.time_ns() / 1e9


def epoch_ms() -> int:
    """Return whole milliseconds since the Unix epoch."""
    return time.time_ns() // 1_000_000
