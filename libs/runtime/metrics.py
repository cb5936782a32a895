"""Metrics: one Prometheus registry per process, and buckets that fit most questions."""

from prometheus_client import CollectorRegistry, GCCollector, Info, PlatformCollector, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

CONTENT_TYPE = CONTENT_TYPE_LATEST
LATENCY_BUCKETS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
SIZE_BUCKETS_BYTES = (256, 1024, 4096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304, 16_777_216)
COUNT_BUCKETS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)


def new_registry(service: str) -> CollectorRegistry:
    """Return a registry that already tells *service*, CPU, memory and garbage collection of this process."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    Info("agent_gateway", "Which service this process is.", registry=registry).info({"service": service})
    return registry


def exposition(registry: CollectorRegistry) -> bytes:
    """Return every metric of *registry* in Prometheus' text format."""
    return generate_latest(registry)
