"""
How soon does a rating change decisions? `python -m benchmarks.feedback_latency [--ratings N]`.

Method: the whole platform runs on embedded backends. Sessions are rated one after another; after each rating requests of new
sessions follow each other until one of them was decided by weights that hold the rating. The time is counted from just
before the rating is sent to just before that request is sent, and read from the decisions' own record.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from floopy import FloopyNotFoundError
from rich.console import Console
from rich.progress import track

from tests.e2e.platform import Platform, running_platform
from tests.support.process import wait_until

TENANT = "learner"
QUESTION: Any = [{"role": "user", "content": "What is the capital of France?"}]
PATIENCE_S = 30.0


def main() -> None:
    """Print median, p95 and worst time from rating to decision, in seconds."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.feedback_latency", description=__doc__)
    parser.add_argument("--ratings", type=int, default=100, help="ratings to send (default 100)")
    count = parser.parse_args().ratings
    console = Console()
    with tempfile.TemporaryDirectory() as folder, running_platform(Path(folder)) as platform:
        numbers = track(range(count), description="ratings", console=console)
        found = sorted(_rating_to_decision_s(platform, number) for number in numbers)
    p95 = found[max(0, -(-len(found) * 95 // 100) - 1)]
    console.print(
        f"rating → decision over {count} ratings: median {statistics.median(found):.2f} s, p95 {p95:.2f} s, worst {found[-1]:.2f} s"
    )


def _rating_to_decision_s(platform: Platform, number: int) -> float:
    session_id = f"rated-{number}"
    _ask(platform, session_id)
    begin_s = time.monotonic()
    platform.floopy(TENANT).feedback.submit(score=number % 11, useful=True, session_id=session_id)
    version, asked = 0, []
    for attempt, sent_s in enumerate(_until(begin_s + PATIENCE_S)):
        asked.append((sent_s, _ask(platform, f"after-{number}-{attempt}")))
        weights = platform.weights(TENANT)
        if version and _version(platform, asked[-1][1]) >= version:
            break
        version = version or (weights.version if weights and weights.rated_sessions > number else 0)
    first_s = next(sent_s for sent_s, request_id in asked if _version(platform, request_id) >= version)
    return first_s - begin_s


def _until(deadline_s: float) -> Iterator[float]:
    while (now_s := time.monotonic()) < deadline_s:
        yield now_s
    raise TimeoutError(f"the rating changed nothing within {PATIENCE_S:g} s")


def _ask(platform: Platform, session_id: str) -> str:
    raw = platform.openai(TENANT).chat.completions.with_raw_response.create(
        model="auto", messages=QUESTION, extra_headers={"floopy-session-id": session_id}
    )
    return str(raw.headers["x-request-id"])


def _version(platform: Platform, request_id: str) -> int:
    """Return the version of the weights that decided the request, once its row has landed."""
    found: list[int] = []

    def landed() -> bool:
        try:
            decision = platform.floopy(TENANT).decisions.get(request_id)
        except FloopyNotFoundError:
            return False
        found.append(decision.decision_trace["snapshot_version"])
        return True

    wait_until(landed, timeout_s=PATIENCE_S, what="the decision to be stored")
    return found[0]


if __name__ == "__main__":
    main()
