"""
What does it cost to ask the firewall service instead of scanning in the gateway? `python -m benchmarks.firewall_modes [--scans N]`.

Method: one process scans chat requests through the two adapters of the gateway, turn by turn, one scan at a time: with the scanner in
its own thread, and with `RemoteFirewall` against a firewall service in a process of its own on the same machine. Per length of the
prompt it prints how long a verdict took to come (p50, p99), the CPU time that the asking process spent on it, and what the service
spent. Loopback is the shortest network there is: a real one adds its round trip. The last line is what a dead service costs: a
request whose breaker is open, against the local scan alone.
"""

import argparse
import os
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec
import uvloop

from benchmarks.firewall import text_of
from deploy.local.process import HttpProbe, ProcessSpec, free_port
from libs.contracts.state import FirewallPolicy
from libs.runtime.clock import epoch_s
from libs.scanner.onnx_scanner import OnnxScanner
from services.gateway.adapters.fallback_firewall import FallbackFirewall
from services.gateway.adapters.local_firewall import LocalFirewall
from services.gateway.adapters.remote_firewall import RemoteFirewall
from services.gateway.domain.breaker import Breaker, BreakerSettings
from services.gateway.ports import Firewall
from tests.support.process import LocalProcess

SECRET: Final = "bench"  # noqa: S105 - of a service that lives for a minute
LENGTHS: Final = (100, 500, 2_000)
ROUNDS: Final = 10
TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")
POLICY: Final = FirewallPolicy()


class Cost(msgspec.Struct, kw_only=True):
    """What verdicts cost one mode: the wait for each in ms, and CPU seconds of all of them."""

    waits_ms: list[float] = []
    own_cpu_s: float = 0.0
    service_cpu_s: float = 0.0

    def quantile(self, share: float) -> float:
        """Return the wait in ms below which *share* of them lie."""
        return sorted(self.waits_ms)[min(len(self.waits_ms) - 1, int(share * len(self.waits_ms)))]


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Firewall in the gateway against firewall as a service.")
    parser.add_argument("--scans", type=int, default=1_000, help="scans per mode and length (1000)")
    scans = parser.parse_args().scans
    with tempfile.TemporaryDirectory(prefix="firewall-modes-") as directory, _service(Path(directory)) as service:
        uvloop.run(_measure(service, scans))
    return 0


async def _measure(service: LocalProcess, scans: int) -> None:
    scanner = OnnxScanner()
    local = LocalFirewall(scanner, scanner.start(), 5.0, _ignore)
    remote = RemoteFirewall(f"http://127.0.0.1:{service.spec.port}", SECRET.encode(), deadline_s=5.0, epoch_s=epoch_s)
    dead = RemoteFirewall("http://127.0.0.1:1", SECRET.encode(), deadline_s=5.0, epoch_s=epoch_s)
    breaker = Breaker(BreakerSettings(failures=1, open_s=3_600.0, max_open_s=3_600.0))
    fallback = FallbackFirewall({"dead": dead}, local, breaker, time.monotonic, _ignore)
    print("tokens  mode      p50 ms   p99 ms   own CPU µs   service CPU µs")
    for tokens in LENGTHS:
        body = _body(tokens)
        modes: dict[str, Firewall] = {"local": local, "remote": remote, "dead": fallback}
        costs = await _compared(modes, body, scans, service.pid)
        for name, cost in costs.items():
            print(_line(tokens, name, cost))
        print(_ratios(costs["local"], costs["remote"]))
    await remote.close()
    await dead.close()
    scanner.close()


async def _compared(modes: dict[str, Firewall], body: bytes, scans: int, service: int) -> dict[str, Cost]:
    """Ask the modes in turns, so that whatever else the machine does hits all of them."""
    costs = {name: Cost() for name in modes}
    for firewall in modes.values():
        await _asked(firewall, body, 50, Cost(), service)  # Warm: connections, caches, the model's first runs.
    for _ in range(ROUNDS):
        for name, firewall in modes.items():
            await _asked(firewall, body, scans // ROUNDS, costs[name], service)
    return costs


async def _asked(firewall: Firewall, body: bytes, scans: int, cost: Cost, service: int) -> None:
    service_before, own_before = _cpu_s(service), time.process_time()
    for _ in range(scans):
        begun = time.perf_counter()
        await firewall.scan(body, "bench", POLICY)
        cost.waits_ms.append((time.perf_counter() - begun) * 1_000)
    cost.own_cpu_s += time.process_time() - own_before
    cost.service_cpu_s += _cpu_s(service) - service_before


def _line(tokens: int, name: str, cost: Cost) -> str:
    own_us, service_us = (seconds * 1e6 / len(cost.waits_ms) for seconds in (cost.own_cpu_s, cost.service_cpu_s))
    return f"{tokens:6}  {name:7}  {cost.quantile(0.5):7.3f}  {cost.quantile(0.99):7.3f}  {own_us:11.0f}  {service_us:15.0f}"


def _ratios(local: Cost, remote: Cost) -> str:
    waits, cpu = remote.quantile(0.5) / local.quantile(0.5), remote.own_cpu_s / local.own_cpu_s
    return f"        remote / local: p50 {waits:.2f}, own CPU {cpu:.2f}"


def _body(tokens: int) -> bytes:
    text = text_of(tokens, random.Random(7))
    return msgspec.json.encode({"model": "auto", "messages": [{"role": "user", "content": text}]})


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


def _ignore(_what: str) -> None:
    """Nothing is counted here."""


@contextmanager
def _service(work: Path) -> Iterator[LocalProcess]:
    port = free_port()
    env = {
        "PORT": str(port),
        "INTERNAL_SECRET": SECRET,
        "ROLES": "api",
        "REDIS_URL": "redis://127.0.0.1:1/0",
        "KAFKA_BOOTSTRAP": "127.0.0.1:1",
        "JOURNAL_DIRECTORY": str(work / "journal"),
        "LOG_LEVEL": "error",
    }
    argv = (sys.executable, "-m", "services.firewall")
    process = LocalProcess(ProcessSpec(name="firewall", argv=argv, env=env, ready=HttpProbe(port=port)), work)
    process.start()
    try:
        yield process
    finally:
        process.stop()


if __name__ == "__main__":
    sys.exit(main())
