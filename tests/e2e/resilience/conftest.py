"""Two platforms for the tests of this package, one on the embedded broker and one on a real Apache Kafka; tenants of their own."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from deploy.local.process import ProcessSpec
from tests.e2e.resilience.stack import BACKENDS, SERVICES, Stack
from tests.support.kafka_jvm import KafkaUnavailableError, kafka_jvm

TENANTS = tuple(f"t{number}" for number in range(20))


@pytest.fixture(scope="package")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with _running(tmp_path_factory.mktemp("embedded")) as stack:
        yield stack


@pytest.fixture(scope="package")
def apache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    directory = tmp_path_factory.mktemp("apache")
    try:
        broker = kafka_jvm(directory)
    except KafkaUnavailableError as error:
        pytest.skip(f"no Apache Kafka that is ours to stop: {error}; install Java 17 and Maven")
    with _running(directory, broker) as stack:
        yield stack


@pytest.fixture(scope="package")
def tenants() -> Iterator[str]:
    return iter(TENANTS)


@pytest.fixture
def tenant(tenants: Iterator[str]) -> str:
    """A tenant that no other test has."""
    return next(tenants)


@contextmanager
def _running(directory: Path, apache: ProcessSpec | None = None) -> Iterator[Stack]:
    stack = Stack(directory, TENANTS, apache=apache)
    try:
        stack.start(*BACKENDS)
        stack.start(*SERVICES)
        yield stack
    finally:
        stack.stop_all()
