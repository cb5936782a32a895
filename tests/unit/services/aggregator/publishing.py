"""A small world in which weights are published: two models, states in memory, a clock that stands."""

import itertools

import msgspec
from prometheus_client import CollectorRegistry

from libs.contracts.events import WeightsPublished
from libs.kafka.memory import MemoryBroker, MemoryPublisher
from libs.providers.catalogue import Model, Price
from libs.routing.priors import load_priors
from services.aggregator.domain.folding import fold
from services.aggregator.domain.places import Place
from services.aggregator.domain.publication import Knowledge
from services.aggregator.learner import touched
from services.aggregator.metrics import PoolMetrics, PublicationMetrics
from services.aggregator.pool_keeper import KeeperPace, PoolKeeper
from services.aggregator.ports import Step
from services.aggregator.publisher import WeightsPublisher
from services.aggregator.schedule import Pace, PublicationSchedule
from tests.unit.services.aggregator.fakes import FakeBenchmarks, FakeLearning, FakePolicies, FakePool, FakeWeights
from tests.unit.services.aggregator.world import NOW_MS

PRICE = Price(fresh_input=1.0, cache_read=0.1, cache_write=1.0, output=4.0)
MODELS = {name: Model(id=name, provider="p", upstream_id=name, family=name, price=PRICE) for name in ("m1", "m2")}
KNOWLEDGE = Knowledge(priors=load_priors(), models=MODELS)


class World:
    """Everything between the statistics and the weights; `apply` is a learner of one partition."""

    def __init__(self, *, weights=None, state=None):
        self.now_ms = NOW_MS
        self.max_event_bytes = 1_000_000
        self.state = state or FakeLearning(1)
        self.weights = weights or FakeWeights()
        self.policies = FakePolicies()
        self.pool = FakePool()
        self.benchmarks = FakeBenchmarks()
        self.broker = MemoryBroker(partitions=1)
        self.metrics = PublicationMetrics(CollectorRegistry())
        self.pool_registry = CollectorRegistry()
        self.pool_metrics = PoolMetrics(self.pool_registry)
        self.events = MemoryPublisher(self.broker)
        self._ids = itertools.count()
        self._offset = 0
        self.publisher = self.new_publisher()
        self.schedule = self.new_schedule()

    async def apply(self, *events):
        if self._offset == 0:
            await self.state.claim(0, "me")
            await self.state.begin(0, "me", {"requests": Place(next_offset=0)})
        change = fold(events, await self.state.load(0, touched(events)))
        step = Step(topic="requests", start=self._offset, next_offset=self._offset + 1)
        await self.state.apply(0, "me", change, [step])
        self._offset += 1
        self.schedule.applied(0, change)

    async def read(self, scope="acme"):
        return (await self.weights.read(scope)).weights

    def logged(self):
        return [msgspec.json.decode(record.value, type=WeightsPublished) for record in self.broker.records("weights")]

    def new_publisher(self):
        return WeightsPublisher(
            self.state,
            self.weights,
            self.policies,
            self.events,
            self.metrics,
            clock_ms=lambda: self.now_ms,
            new_id=lambda: f"event-{next(self._ids)}",
            max_event_bytes=self.max_event_bytes,
        )

    def new_schedule(self, pace=None):
        return PublicationSchedule(
            self.state,
            self.pool,
            self.publisher,
            KNOWLEDGE,
            self.metrics,
            benchmarks=self.benchmarks,
            owned=lambda: [0],
            clock_ms=lambda: self.now_ms,
            pace=pace or Pace(),
        )

    def new_keeper(self, noise=None):
        return PoolKeeper(
            state=self.state,
            statistics=self.state,
            store=self.pool,
            policies=self.policies,
            publisher=self.publisher,
            knowledge=KNOWLEDGE,
            benchmarks=self.benchmarks,
            metrics=self.pool_metrics,
            partitions=1,
            token="keeper",
            clock_ms=lambda: self.now_ms,
            pace=KeeperPace(),
            noise=noise,
        )
