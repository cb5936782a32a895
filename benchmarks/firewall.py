"""
What a scan costs and finds: time and memory of the scanner, what it does to the event loop beside it, and its accuracy.

`python -m benchmarks.firewall` prints one line per text length: p50 and p99 of one scan through the scanner's thread, the computing
time of the same scan, the time of a plain one (tokens and model on the calling thread; nothing normalised, decoded or handed over), and
the longest turns of an event loop that never sleeps while scans ran back to back beside it, against the same loop without scans. Then it prints what the training
measured on families of sources that the scoring models had not seen (`libs/scanner/data/evaluation.json`).
On a busy machine the longest turns are those of its other processes: `nice -n -15 python -m benchmarks.firewall` keeps most of them out.
"""

import asyncio
import random
import resource
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import msgspec

from libs.scanner.model import MODEL, bundled_model
from libs.scanner.onnx_scanner import OnnxScanner
from libs.scanner.text import Segment
from libs.scanner.tokens import bundled_tokenizer
from libs.scanner.training.evaluation import Report
from libs.scanner.verdict import Thresholds

LENGTHS: Final = (100, 500, 2_000, 10_000)
SCANS: Final = 300

_PROSE: Final = (
    "the report says that our team shipped seven orders to Lisbon in May and 12.5 % of them came back because a label was wrong; "
    "please check whether the invoice from the supplier, dated 2026-05-03, lists the same number of boxes and tell me what to do"
)


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the result; times in milliseconds."""

    tokens: int
    p50_ms: float
    p99_ms: float
    computing_ms: float
    plain_ms: float
    stall_p99_ms: float
    stall_max_ms: float


def text_of(tokens: int, rng: random.Random) -> str:
    """Return prose of about *tokens* tokens."""
    words = _PROSE.split()
    text = " ".join(rng.choice(words) for _ in range(tokens))
    return text[: len(text) * tokens // len(bundled_tokenizer().encode([text])[0])]


async def stalls_during(work: Callable[[], Awaitable[object]]) -> list[float]:
    """
    Return how long each turn of this loop took while *work* ran, in milliseconds.

    The loop never sleeps: it always wants the interpreter, so a turn is as long as another thread keeps it. A timer would show its own
    grain of a millisecond instead.
    """
    turns: list[float] = []
    running = asyncio.ensure_future(work())
    while not running.done():
        begun = time.perf_counter()
        await asyncio.sleep(0)
        turns.append((time.perf_counter() - begun) * 1_000)
    await running
    return sorted(turns)


async def scan_times(
    scanner: OnnxScanner, segments: Sequence[Segment], thresholds: Thresholds
) -> tuple[list[float], list[float]]:
    """Return how long each of some scans took, and how long it computed, in milliseconds, sorted."""
    took: list[float] = []
    computing: list[float] = []
    for _ in range(SCANS):
        begun = time.perf_counter()
        verdict = await scanner.scan(segments, thresholds, 10)
        took.append((time.perf_counter() - begun) * 1_000)
        computing.append(verdict.took_us / 1_000)
    return sorted(took), sorted(computing)


async def measure(scanner: OnnxScanner, thresholds: Thresholds, tokens: int) -> Line:
    """Scan texts of one length, one after the other."""
    segments = (Segment(role="user", text=text_of(tokens, random.Random(tokens))),)
    took, computing = await scan_times(scanner, segments, thresholds)
    turns = await stalls_during(lambda: scan_times(scanner, segments, thresholds))
    return Line(
        tokens=tokens,
        p50_ms=quantile(took, 0.5),
        p99_ms=quantile(took, 0.99),
        computing_ms=quantile(computing, 0.5),
        plain_ms=plain_ms(segments[0].text),
        stall_p99_ms=quantile(turns, 0.99),
        stall_max_ms=turns[-1],
    )


def plain_ms(text: str) -> float:
    """Return the median time of tokens and model alone, on this thread."""
    tokenizer, model = bundled_tokenizer(), bundled_model()
    took: list[float] = []
    for _ in range(SCANS):
        begun = time.perf_counter()
        model.read(tokenizer.encode([text]))
        took.append((time.perf_counter() - begun) * 1_000)
    return quantile(sorted(took), 0.5)


def quantile(ordered: list[float], share: float) -> float:
    """Return the value below which *share* of the ordered values lie."""
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


async def main() -> None:
    """Print the table."""
    idle = await stalls_during(lambda: asyncio.sleep(1))
    before_mb = peak_mb()
    scanner = OnnxScanner()
    begun = time.perf_counter()
    thresholds = scanner.start()
    loaded_ms = (time.perf_counter() - begun) * 1_000
    try:
        await scanner.scan((Segment(role="user", text=text_of(LENGTHS[-1], random.Random(0))),), thresholds, 10)
        loaded_mb = peak_mb() - before_mb
        lines = [await measure(scanner, thresholds, tokens) for tokens in LENGTHS]
    finally:
        scanner.close()
    print(f"idle loop: turn p99 {quantile(idle, 0.99):.2f} ms, max {idle[-1]:.2f} ms")
    print(f"start {loaded_ms:.0f} ms, memory +{loaded_mb:.0f} MB (libraries were loaded before)")
    print("tokens     p50 ms   p99 ms   computing ms   plain ms   loop turn p99 ms   max ms")
    for line in lines:
        print(
            f"{line.tokens:6d} {line.p50_ms:10.3f} {line.p99_ms:8.3f} {line.computing_ms:14.3f} {line.plain_ms:10.3f} "
            f"{line.stall_p99_ms:19.2f} {line.stall_max_ms:8.2f}"
        )
    print_accuracy()


def print_accuracy() -> None:
    """Print the shares blocked, with 95 % intervals, of families that the scoring models had not seen."""
    figures = msgspec.json.decode((MODEL.parent / "evaluation.json").read_bytes(), type=Report)
    print(f"thresholds {msgspec.json.encode(figures.thresholds).decode()}")
    print(f"mean recall over families of attacks {figures.mean_recall:.1%}")
    for name, share in (*figures.kinds.items(), *figures.families.items()):
        print(f"{name:46} {share.rows:6d} rows, blocked {share.blocked:6.1%} [{share.low:.1%}, {share.high:.1%}]")


def peak_mb() -> float:
    """Return the most memory that this process has had, in megabytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_024


if __name__ == "__main__":
    asyncio.run(main())
