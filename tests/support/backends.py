"""
Fixtures that find a backend: by environment variable, as a container, embedded, else the test is skipped with a reason.

A server named by REDIS_URL, KAFKA_BOOTSTRAP, KAFKA_APACHE_BOOTSTRAP or CLICKHOUSE_URL must be one that tests may empty.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import pytest
from clickhouse_driver import Client
from redis import Redis

from deploy.local.broker import broker
from deploy.local.clickhouse_process import clickhouse
from deploy.local.process import ProcessSpec, free_port
from deploy.local.valkey import valkey
from tests.support.docker import clickhouse_container, docker_answers, kafka_container, redis_container
from tests.support.kafka import Broker, KafkaBackend
from tests.support.kafka_jvm import KafkaUnavailableError, kafka_jvm
from tests.support.process import LocalProcess


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a Redis that lives as long as the test run."""
    if url := os.environ.get("REDIS_URL"):
        yield url
    elif docker_answers():
        with redis_container() as url:
            yield url
    else:
        data = tmp_path_factory.mktemp("valkey")
        with _running(valkey(port=free_port(), data=data), data) as server:
            yield f"redis://127.0.0.1:{server.spec.port}/0"


@pytest.fixture
def redis_url(redis_server: str) -> str:
    """The URL of an empty Redis database."""
    with Redis.from_url(redis_server) as client:
        client.flushdb()
    return redis_server


@pytest.fixture(scope="session")
def clickhouse_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a ClickHouse that lives as long as the test run."""
    if url := os.environ.get("CLICKHOUSE_URL"):
        yield url
    elif docker_answers():
        with clickhouse_container() as url:
            yield url
    else:
        data = tmp_path_factory.mktemp("clickhouse")
        with _running(clickhouse(port=free_port(), data=data / "data"), data) as server:
            yield f"clickhouse://default@127.0.0.1:{server.spec.port}/default"


@pytest.fixture
def clickhouse_url(clickhouse_server: str) -> Iterator[str]:
    """The URL of an empty ClickHouse database."""
    database = f"test_{uuid4().hex[:12]}"
    with Client.from_url(clickhouse_server) as client:
        client.execute(f"CREATE DATABASE {database}")
        yield urlunsplit(urlsplit(clickhouse_server)._replace(path=f"/{database}"))
        client.execute(f"DROP DATABASE {database}")


@pytest.fixture(scope="session")
def kafka_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Broker | None]]:
    """The address of the Kafka that tests run on by default, and its process when it is ours."""
    if bootstrap := os.environ.get("KAFKA_BOOTSTRAP"):
        yield bootstrap, None
    elif docker_answers():
        with kafka_container() as bootstrap:
            yield bootstrap, None
    else:
        with _running(broker(port=free_port()), tmp_path_factory.mktemp("broker")) as process:
            yield f"127.0.0.1:{process.spec.port}", process


@pytest.fixture
def kafka(kafka_broker: tuple[str, Broker | None]) -> Iterator[KafkaBackend]:
    """A Kafka with topic names of the test's own; embedded, it forgets its records when it is stopped."""
    bootstrap, process = kafka_broker
    real = process is None
    yield from _backend(bootstrap, process, durable=real, idempotent=real)


@pytest.fixture(scope="session")
def apache_kafka_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Broker | None]]:
    """The address of a real Apache Kafka, and its process when it is ours."""
    if bootstrap := os.environ.get("KAFKA_APACHE_BOOTSTRAP"):
        yield bootstrap, None
    elif docker_answers():
        with kafka_container() as bootstrap:
            yield bootstrap, None
    else:
        data = tmp_path_factory.mktemp("kafka")
        with _running(_kafka_or_skip(data), data) as process:
            yield f"127.0.0.1:{process.spec.port}", process


@pytest.fixture
def apache_kafka(apache_kafka_broker: tuple[str, Broker | None]) -> Iterator[KafkaBackend]:
    """A real Apache Kafka with topic names of the test's own; its records outlive a stop or a kill."""
    bootstrap, process = apache_kafka_broker
    yield from _backend(bootstrap, process, durable=True, idempotent=True)


def _backend(bootstrap: str, process: Broker | None, *, durable: bool, idempotent: bool) -> Iterator[KafkaBackend]:
    prefix = f"test-{uuid4().hex[:12]}-"
    backend = KafkaBackend(bootstrap=bootstrap, prefix=prefix, durable=durable, idempotent=idempotent, broker=process)
    yield backend
    backend.start()


def _kafka_or_skip(data: Path) -> ProcessSpec:
    try:
        return kafka_jvm(data)
    except KafkaUnavailableError as error:
        pytest.skip(f"no Apache Kafka: {error}; set KAFKA_APACHE_BOOTSTRAP, or install Docker, or Java 17 and Maven")


@contextmanager
def _running(spec: ProcessSpec, logs: Path) -> Iterator[LocalProcess]:
    process = LocalProcess(spec, logs)
    process.start()
    try:
        yield process
    finally:
        process.stop()
