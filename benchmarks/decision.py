"""
What routing costs a request, in microseconds of one core: `python -m benchmarks.decision`.

Measures each step on a catalogue of 16 models: reading the task off a request, the decision from a kept plan, a plan made
anew after a snapshot, the edit of a 100 kB body, and one event of a stream.
"""

import sys
from collections.abc import Callable
from time import perf_counter_ns

import msgspec

from libs.contracts.events import Estimate, ModelEstimates, WeightsPublished
from libs.contracts.state import TenantPolicy
from libs.providers.answers import SseUsageReader
from libs.providers.catalogue import Model, Price
from libs.providers.dialect import upstream_body
from libs.routing.candidates import Requirements, RoutingRequest
from libs.routing.credit import Hop, Rating, SessionRecord, contributions
from libs.routing.phases import weights_of
from libs.routing.plans import plan_of
from libs.routing.pool import Pool
from libs.routing.posterior import estimates
from libs.routing.priors import load_priors
from libs.routing.selection import seed_of
from libs.routing.selector import Selector
from libs.routing.shapes import load_head
from libs.routing.tasks import RequestFeatures, classify, task_of

MODELS = 16
BATCHES = 30
LIMIT_US = 10.0  # A decision from a kept plan must stay below this.

CHUNK = b'data: {"id":"chatcmpl-1","model":"m","choices":[{"index":0,"delta":{"content":" word"}}],"usage":null}\n\n'


def measured_us(act: Callable[[], object], repeats: int) -> float:
    """Return the microseconds of one call: the median over batches, which a busy neighbour disturbs least."""
    timings = []
    for _ in range(BATCHES):
        start = perf_counter_ns()
        for _ in range(repeats):
            act()
        timings.append((perf_counter_ns() - start) / repeats / 1000)
    return sorted(timings)[BATCHES // 2]


def main() -> int:
    """Print the table; the exit code says whether the decision kept its limit."""
    models = {f"m{number:02}": _model(f"m{number:02}", number) for number in range(MODELS)}
    weights = _weights(models)
    selector = Selector(models)
    request = RoutingRequest(
        tenant="acme",
        session_id="s",
        task="chat",
        policy=TenantPolicy(tenant="acme"),
        requirements=Requirements(context_tokens=2_000, tools=True),
    )
    agent = RequestFeatures(
        text="Fix the failing tests. " * 200, system="You write code. " * 100, tools=("bash", "edit")
    )
    chat = RequestFeatures(text="Write a short story about the sea, step by step. " * 100)
    body, head = _body(), load_head()
    decision_us = measured_us(lambda: selector.decide(request, weights, seed=seed_of("acme", "s", "chat")), 2000)
    rows = [
        ("classify: agent", measured_us(lambda: classify(agent), 200)),
        ("classify: chat, 5 kB", measured_us(lambda: classify(chat), 200)),
        ("told by the head: chat, 5 kB", measured_us(lambda: task_of(chat, named=None, own=(), head=head), 200)),
        ("decide from a kept plan, with its seed", decision_us),
        ("plan anew: 256 draws", measured_us(lambda: plan_of(request, weights, models), 20)),
        (
            f"edit a body of {len(body) // 1000} kB",
            measured_us(lambda: upstream_body(body, models["m00"], stream=True), 20),
        ),
        ("one event of a stream", measured_us(_stream(SseUsageReader()), 500)),
        ("one event of a stream, usage hidden", measured_us(_stream(SseUsageReader(hide_usage=True)), 500)),
        ("credit of a session of 8 hops", measured_us(_credit(), 100)),
        ("estimates of one task", measured_us(_estimate(models), 5)),
    ]
    for name, microseconds in rows:
        print(f"{name:<42}{microseconds:>10.2f} µs")
    return 0 if decision_us <= LIMIT_US else 1


def _model(name: str, number: int) -> Model:
    price = Price(fresh_input=1.0 + number, cache_read=0.1, cache_write=1.0, output=4.0 + number)
    return Model(id=name, provider="p", upstream_id=name, family=name, price=price)


def _weights(models: dict[str, Model]) -> WeightsPublished:
    def item(number: int) -> ModelEstimates:
        known = Estimate(mean=0.5 + number / 100, variance=0.01, samples=5.0)
        return ModelEstimates(benchmark=known, session=known, auto=known)

    estimates = {name: item(number) for number, name in enumerate(models)}
    return WeightsPublished(
        event_id="w",
        scope="acme",
        version=1,
        published_at_ms=0,
        phase="nps",
        weights=weights_of("nps"),
        tasks={"chat": estimates},
    )


def _body() -> bytes:
    message = {"role": "user", "content": 'A "quoted" line\n' * 60}
    return msgspec.json.encode({"model": "auto", "messages": [message] * 100, "stream": True, "inputs": {"name": "x"}})


def _stream(reader: SseUsageReader) -> Callable[[], object]:
    return lambda: reader.feed(CHUNK)


def _credit() -> Callable[[], object]:
    hops = [Hop(request_id=f"r{number}", task="chat", model="m00", day=1, counted=True) for number in range(8)]
    rating = Rating(event_id="e", source="session", score=0.8)
    record = SessionRecord(hops={hop.request_id: hop for hop in hops}, ratings={rating.subject: rating})
    return lambda: contributions(record)


def _estimate(models: dict[str, Model]) -> Callable[[], object]:
    priors, policy = load_priors(), TenantPolicy(tenant="acme")
    hop = Hop(request_id="r", task="chat", model="m00", day=1, counted=True)
    rating = Rating(event_id="e", source="session", score=0.8)
    cells = contributions(SessionRecord(hops={"r": hop}, ratings={rating.subject: rating}))
    return lambda: estimates({"chat": cells}, Pool(), priors, models, policy=policy, now_day=1)


if __name__ == "__main__":
    sys.exit(main())
