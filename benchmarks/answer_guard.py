"""
What does the output side of the firewall cost? `python -m benchmarks.answer_guard [--rounds N]`.

Method: one answer of about 8 kB of prose and code is read as the gateway reads it, streamed in pieces of one to six characters,
about a token each, and whole; with the policy off and on in the same run, best of N rounds, CPU time of the thread. The system
prompt has about 3 kB. Nothing in the answer is a secret: that is what almost all answers are like.
"""

import argparse
import json
import re
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from libs.contracts.state import FirewallPolicy
from libs.providers.answers import SseUsageReader
from services.gateway.domain.guard import guard_of
from services.gateway.domain.guarded_stream import GuardedStream

ROOT = Path(__file__).parents[1]
ANSWER = (ROOT / "README.md").read_text()[:8000]
SYSTEM = (ROOT / "CONTRIBUTING.md").read_text()[:3000]
REQUEST = json.dumps({"messages": [{"role": "system", "content": SYSTEM}, {"role": "user", "content": "hi"}]}).encode()
HEAD = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
POLICIES = {
    "off": FirewallPolicy(),
    "flag secrets": FirewallPolicy(output="flag"),
    "redact secrets": FirewallPolicy(output="redact"),
    "redact secrets and the system prompt": FirewallPolicy(
        output="redact", output_categories=("secret_leak", "system_prompt_leak")
    ),
}


def main() -> None:
    """Print CPU time per chunk and per whole answer under each policy."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    rounds = parser.parse_args().rounds
    stream, body = events(ANSWER), whole(ANSWER)
    print(f"{len(stream)} events; {len(body)} bytes whole; best of {rounds} rounds")
    print(f"{'policy':38} {'µs per chunk':>12} {'passed as they are':>19} {'µs whole':>9}")
    for name, policy in POLICIES.items():
        untouched = sum(event == shown for event, shown in zip(stream, read_stream(stream, policy), strict=True))
        chunk_us = best_us(rounds, partial(read_stream, stream, policy)) / len(stream)
        whole_us = best_us(rounds, partial(read_whole, body, policy))
        print(f"{name:38} {chunk_us:12.2f} {untouched / len(stream):19.1%} {whole_us:9.0f}")


def events(text: str) -> list[bytes]:
    """Return *text* as the events of a stream."""
    choices = [{"index": 0, "delta": {"content": piece}} for piece in re.findall(r"\s?\S{1,6}|\s+", text)]
    chunks = (HEAD | {"choices": [choice | {"logprobs": None, "finish_reason": None}]} for choice in choices)
    return [b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in chunks]


def whole(text: str) -> bytes:
    """Return *text* as a completion."""
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    return json.dumps({"choices": [choice]}).encode()


def read_stream(stream: list[bytes], policy: FirewallPolicy) -> list[bytes]:
    """Return what becomes of each event of *stream*."""
    guard = guard_of("bench", policy, REQUEST)
    reader = SseUsageReader(hide_usage=True, rewrite=None if guard is None else GuardedStream(guard).event)
    return [reader.feed(event) for event in stream]


def read_whole(body: bytes, policy: FirewallPolicy) -> bytes:
    """Return what becomes of a whole answer."""
    guard = guard_of("bench", policy, REQUEST)
    return body if guard is None else guard.whole(body)


def best_us(rounds: int, work: Callable[[], object]) -> float:
    """Return the CPU time of the fastest of so many rounds of *work*."""
    return min(_cpu_us(work) for _ in range(rounds))


def _cpu_us(work: Callable[[], object]) -> float:
    begin = time.thread_time()
    work()
    return (time.thread_time() - begin) * 1e6


if __name__ == "__main__":
    main()
