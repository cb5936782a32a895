"""
What redaction costs, how long it keeps the event loop, and what it finds in ordinary prompts.

`python -m benchmarks.redaction` prints, per kind of body, processor time per kilobyte, the same for a body that is sent again, as agents
send theirs, and processor time per turn of the event loop: other requests wait for a turn, not for a body. Times are of the processor, so that a busy machine changes them little. Prompts are read from
`$FLOOPY_FIREWALL_DATA` (default `../shared/data/firewall`) where it exists; findings in them are printed to be judged by eye, as some
addresses are real ones.
"""

import base64
import gzip
import json
import os
import random
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from libs.contracts.events import RequestCompleted, TranscriptRecorded
from libs.contracts.state import USUAL_PII, RedactionPolicy
from libs.redaction.detection import find
from services.gateway.pipeline.publication import Publication

DATA: Final = Path(os.environ.get("FLOOPY_FIREWALL_DATA", "../shared/data/firewall"))
SETS: Final = ("train", "train_extra_benign", "val", "own_hardneg")
SHOWN: Final = 8
_PROSE: Final = (
    "The report says that our team sent seven orders to Lisbon in May 2026, and 12.5 % of them came back: a label was wrong.\n"
    "Please check whether the invoice from the supplier, dated 2026-05-03, lists the same number of boxes and tell me what to do. "
)
_LOG: Final = "2026-05-03 10:30:45,123 INFO 10.0.0.1 request 550e8400-e29b-41d4-a716-446655440000 took 123456 us at 0x7ffde1234567\n"


class Sink:
    """Takes events and counts them."""

    def __init__(self) -> None:
        self.taken = 0

    def completed(self, event: RequestCompleted) -> None:
        """Count."""
        self.taken += event.http_status > 0

    def transcript(self, event: TranscriptRecorded) -> None:
        """Count."""
        self.taken += event.expires_at_ms >= 0


class ProcessorTime:
    """A clock that stands still while others run."""

    def epoch_ms(self) -> int:
        """Return Unix milliseconds."""
        return time.time_ns() // 1_000_000

    def monotonic_ns(self) -> int:
        """Return nanoseconds of this thread."""
        return time.thread_time_ns()


def chat(text: str, *, messages: int = 1) -> str:
    """Return a request that says *text* in each of its messages."""
    content = [
        {"role": "user" if number % 2 == 0 else "assistant", "content": f"{number}: {text}"}
        for number in range(messages)
    ]
    return json.dumps({"model": "auto", "messages": content})


def bodies(rng: random.Random) -> Iterator[tuple[str, str]]:
    """Yield ordinary bodies, and those that are hardest."""
    arguments = json.dumps({"path": "report.md", "text": _PROSE * 400})
    call = {"function": {"name": "write", "arguments": arguments}}
    yield "prose, 4 KB", chat(_PROSE, messages=16)
    yield "prose, 100 KB", chat(_PROSE * 2, messages=200)
    yield "prose, 1 MB", chat(_PROSE * 2, messages=2_000)
    yield "tool call, 100 KB", json.dumps({"messages": [{"role": "assistant", "tool_calls": [call]}]})
    yield "logs, 100 KB", chat(_LOG * 900)
    picture = "data:image/png;base64," + base64.b64encode(rng.randbytes(750_000)).decode()
    yield "picture, 1 MB", json.dumps({"messages": [{"content": [{"image_url": {"url": picture}}]}]})
    yield "embedding, 100 KB", json.dumps({"embedding": [rng.random() for _ in range(5_000)]})
    yield "addresses, 100 KB", chat("jane.doe@example.com " * 5_000)
    yield "four-digit numbers, 100 KB", chat(" ".join(str(rng.randrange(1_000, 9_999)) for _ in range(20_000)))


class Desk:
    """A publication whose turns of the event loop are timed."""

    def __init__(self) -> None:
        self._waiting: deque[Callable[[], None]] = deque()
        self._publication = Publication(
            Sink(), ProcessorTime(), secret=SETS[0], defer=self._waiting.append, degrade=print
        )

    def turns_of(self, body: str) -> list[float]:
        """Return the processor time of each turn that redacting *body* takes, in microseconds, in order of length."""
        event = TranscriptRecorded(
            event_id="r", request_id="r", tenant="t", session_id="s", created_at_ms=0, expires_at_ms=0, model="m",
            provider="p", request=body, response="{}",
        )  # fmt: skip
        self._waiting.append(lambda: self._publication.transcript(event, RedactionPolicy()))
        took = []
        while self._waiting:
            turn = self._waiting.popleft()
            begun = time.thread_time_ns()
            turn()
            took.append((time.thread_time_ns() - begun) / 1_000)
        return sorted(took)


def ordinary_prompts() -> list[str]:
    """Return every prompt that the data calls benign; none without the data."""
    prompts = []
    for path in (DATA / f"{name}.jsonl.gz" for name in SETS):
        rows = map(_row, gzip.decompress(path.read_bytes()).split(b"\n")) if path.exists() else ()
        prompts += [row["text"] for row in rows if row.get("label") == 0]
    return prompts


def _row(line: bytes) -> dict[str, Any]:
    try:
        return dict(json.loads(line, strict=False))
    except ValueError:
        return {}


def main() -> None:
    """Print both tables."""
    rng = random.Random(7)
    Desk().turns_of(chat(_PROSE))  # Everything is loaded.
    print(
        f"{'body':28s} {'KB':>6s} {'us per KB':>10s} {'again':>6s} {'turns':>6s} {'p50 ms':>8s} {'p99 ms':>8s} {'max ms':>8s}"
    )
    for name, body in bodies(rng):
        desk = Desk()
        took, again = desk.turns_of(body), desk.turns_of(body)
        size_kb = len(body) / 1_000
        print(
            f"{name:28s} {size_kb:6.0f} {sum(took) / size_kb:10.1f} {sum(again) / size_kb:6.1f} {len(took):6d} "
            f"{took[len(took) // 2] / 1_000:8.2f} {took[int(len(took) * 0.99)] / 1_000:8.2f} {took[-1] / 1_000:8.2f}"
        )
    prompts = ordinary_prompts()
    if prompts:
        print_findings(prompts, rng)


def print_findings(prompts: list[str], rng: random.Random) -> None:
    """Print how many of a thousand *prompts* have a finding of each kind, and some of them."""
    begun = time.thread_time_ns()
    found = [(finding.kind, prompt, finding) for prompt in prompts for finding in find(prompt, USUAL_PII)]
    took_us = (time.thread_time_ns() - begun) / 1_000
    size_kb = sum(map(len, prompts)) / 1_000
    print(f"\n{len(prompts)} ordinary prompts, {size_kb:.0f} KB, {took_us / size_kb:.1f} us per KB")
    touched = Counter(kind for kind, _ in {(kind, prompt) for kind, prompt, _ in found})
    for kind in sorted(USUAL_PII):
        print(f"{kind:12s} in {1_000 * touched[kind] / len(prompts):.2f} of 1,000 prompts")
        of_kind = [(prompt, finding) for name, prompt, finding in found if name == kind]
        for prompt, finding in rng.sample(of_kind, min(SHOWN, len(of_kind))):
            print(f"    {prompt[max(0, finding.start - 30) : finding.end + 12]!r}")


if __name__ == "__main__":
    main()
