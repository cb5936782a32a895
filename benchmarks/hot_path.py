"""
What does the gateway cost on the hot path? `python -m benchmarks.hot_path [--seconds S] [--rate R] [--json FILE]`.

Method: a mock provider in C is asked directly and through the gateway, by the same load generator in the same run. The
gateway has everything switched on: keys and limits in Redis, the firewall, the decision, the event journal and Kafka. A
closed loop (16 connections) gives CPU time per request of the gateway's process, as a ratio to what the mock provider needs
for the same request; an open loop at a fixed rate, its latency counted from the scheduled time, gives the latency that the
gateway adds. Events must not be dropped.

Needs a C compiler and the load tools' sources (FLOOPY_BENCH_TOOLS, by default ../shared/tools/loadtest).
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import msgspec

from deploy.local.broker import broker
from deploy.local.process import HttpProbe, ProcessSpec, TcpProbe, free_port
from deploy.local.valkey import valkey
from tests.support.process import LocalProcess

TOOLS = Path(os.environ.get("FLOOPY_BENCH_TOOLS", "../shared/tools/loadtest"))
SECRET = "sk-mock-key-0123456789"  # noqa: S105 - the load generator always sends this one
CONNECTIONS = 16
CHUNKS = 20
PROMPT = "Summarise what a reverse proxy does, in two sentences, for somebody who knows HTTP well. " * 8
POLICY = f"""
[[plans]]
name = "bench"
[[tenants]]
tenant = "bench"
plan = "bench"
[[keys]]
tenant = "bench"
key_id = "bench"
secret = "{SECRET}"
requests_per_minute = 100000000
"""

Pair: TypeAlias = tuple[LocalProcess, LocalProcess]


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """One measurement: *rate* per second, or as fast as the connections allow; *pid* is whose CPU time counts."""

    port: int
    pid: int
    body: Path
    seconds: float
    rate: float = 0.0


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """Direct against gateway for one kind of request; latencies in µs."""

    kind: str
    direct_cpu_us: float
    gateway_cpu_us: float
    cpu_ratio: float
    requests_per_s: float
    direct_p50_us: float
    gateway_p50_us: float
    added_p50_us: float
    added_p99_us: float
    rss_mb: float
    errors: int


def main() -> int:
    """Measure and print a table, then one line of JSON."""
    arguments = _arguments()
    missing = [str(path) for path in (TOOLS / "mock.c", TOOLS / "lg.c") if not path.exists()]
    if missing or shutil.which("cc") is None:
        print(f"skipped: {' '.join(missing) or 'no C compiler (cc)'} is missing")
        return 0
    with tempfile.TemporaryDirectory(prefix="hot-path-") as directory:
        result = _measure(Path(directory), arguments.seconds, arguments.rate)
    _print(result)
    if arguments.json:
        arguments.json.write_text(json.dumps(result))
    return 1 if result["events_dropped"] or any(row["errors"] for row in result["rows"]) else 0


def _measure(work: Path, seconds: float, rate: float) -> dict[str, Any]:
    for name in ("mock", "lg"):
        subprocess.run(["cc", "-O2", "-o", work / name, TOOLS / f"{name}.c"], check=True)  # noqa: S603, S607
    with _stack(work) as pair:
        rows = [_compare(work, pair, kind, seconds=seconds, rate=rate) for kind in ("plain", "stream")]
        dropped = _metric(pair[1].spec.port, "gateway_events_dropped")
    return {"rows": [msgspec.to_builtins(row) for row in rows], "events_dropped": dropped, "rate_per_s": rate}


@contextmanager
def _stack(work: Path) -> Iterator[Pair]:
    ports = {name: free_port() for name in ("mock", "valkey", "broker", "gateway")}
    (work / "policy.toml").write_text(POLICY)
    (work / "providers.toml").write_text(
        f'[providers.mock]\nbase_url = "http://127.0.0.1:{ports["mock"]}/v1"\n'
        '[[providers.mock.models]]\nupstream_id = "gpt-4.1-nano"\n'
    )
    specs = (
        ProcessSpec(
            name="mock", argv=(str(work / "mock"), f"{ports['mock']}:0:0:{CHUNKS}"), ready=TcpProbe(port=ports["mock"])
        ),
        valkey(port=ports["valkey"], data=work / "valkey"),
        broker(port=ports["broker"]),
        ProcessSpec(
            name="gateway",
            argv=(sys.executable, "-m", "services.gateway"),
            env=_environment(work, ports),
            ready=HttpProbe(port=ports["gateway"]),
        ),
    )
    with ExitStack() as stack:
        processes = [LocalProcess(spec, work) for spec in specs]
        for process in processes:
            stack.callback(process.stop)
            process.start()
        yield processes[0], processes[-1]


def _environment(work: Path, ports: dict[str, int]) -> dict[str, str]:
    return {
        "PORT": str(ports["gateway"]),
        "INTERNAL_SECRET": "bench",
        "REDIS_URL": f"redis://127.0.0.1:{ports['valkey']}/0",
        "KAFKA_BOOTSTRAP": f"127.0.0.1:{ports['broker']}",
        "KAFKA_IDEMPOTENT": "false",
        "JOURNAL_DIRECTORY": str(work / "journal"),
        "BOOTSTRAP_FILE": str(work / "policy.toml"),
        "PROVIDERS_FILE": str(work / "providers.toml"),
        "LOG_LEVEL": "warning",
    }


def _compare(work: Path, pair: Pair, kind: str, *, seconds: float, rate: float) -> Row:
    mock, gateway = pair
    body = work / f"{kind}.json"
    fields = {"model": "auto", "messages": [{"role": "user", "content": PROMPT}]}
    body.write_text(json.dumps(fields | ({"stream": True} if kind == "stream" else {}), separators=(",", ":")))
    direct = Load(port=mock.spec.port, pid=mock.pid, body=body, seconds=seconds)
    through = Load(port=gateway.spec.port, pid=gateway.pid, body=body, seconds=seconds)
    fastest_direct, fastest_through = _run(work, direct), _run(work, through)
    paced_direct = _run(work, msgspec.structs.replace(direct, rate=rate))
    paced_through = _run(work, msgspec.structs.replace(through, rate=rate))
    return Row(
        kind=kind,
        direct_cpu_us=fastest_direct["cpu_us"],
        gateway_cpu_us=fastest_through["cpu_us"],
        cpu_ratio=round(fastest_through["cpu_us"] / fastest_direct["cpu_us"], 1),
        requests_per_s=fastest_through["rps"],
        direct_p50_us=paced_direct["p50"],
        gateway_p50_us=paced_through["p50"],
        added_p50_us=round(paced_through["p50"] - paced_direct["p50"], 1),
        added_p99_us=round(paced_through["p99"] - paced_direct["p99"], 1),
        rss_mb=fastest_through["rss"],
        errors=sum(int(result[name]) for result in (fastest_through, paced_through) for name in ("err", "non200")),
    )


def _run(work: Path, load: Load) -> dict[str, Any]:
    command = [str(work / "lg"), "-p", str(load.port), "-c", str(CONNECTIONS), "-d", str(load.seconds), "-w", "1"]
    command += ["-r", str(load.rate), "-b", str(load.body), "-C", str(load.pid), "-H", "floopy-session-id: bench"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def _metric(port: int, name: str) -> float:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as response:
        lines = response.read().decode().splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith(name))


def _print(result: dict[str, Any]) -> None:
    columns = [field for field in Row.__struct_fields__ if field != "kind"]
    print(f"{'':18}" + "".join(f"{row['kind']:>12}" for row in result["rows"]))
    for column in columns:
        print(f"{column:18}" + "".join(f"{row[column]:>12}" for row in result["rows"]))
    print(f"events dropped: {result['events_dropped']:g}; latency at {result['rate_per_s']:g} requests/s")
    print(json.dumps(result))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Cost of the gateway on the hot path, against asking directly.")
    parser.add_argument("--seconds", type=float, default=5.0, help="length of each measurement")
    parser.add_argument("--rate", type=float, default=100.0, help="requests per second of the latency measurement")
    parser.add_argument("--json", type=Path, help="also write the result here")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
