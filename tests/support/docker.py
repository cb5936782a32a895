"""Backends as containers, where a Docker daemon answers."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import docker
from docker.errors import DockerException
from testcontainers.community.kafka import KafkaContainer
from testcontainers.core.container import DockerContainer
from testcontainers.core.wait_strategies import LogMessageWaitStrategy

PING_TIMEOUT_S = 2
START_TIMEOUT_S = 90
REDIS_IMAGE = "valkey/valkey:9"
CLICKHOUSE_IMAGE = "clickhouse/clickhouse-server:25.8"
KAFKA_IMAGE = "confluentinc/cp-kafka:7.9.0"


@cache
def docker_answers() -> bool:
    if not _somebody_listens():
        return False
    try:
        client = docker.from_env(timeout=PING_TIMEOUT_S)
    except DockerException:
        return False
    try:
        return bool(client.ping())
    except DockerException:
        return False
    finally:
        client.close()


def _somebody_listens() -> bool:
    # The client leaves its socket open when nobody does.
    address = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    if not address.startswith("unix://"):
        return True
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(address.removeprefix("unix://")) == 0


@contextmanager
def redis_container() -> Iterator[str]:
    """Yield the URL of a fresh server."""
    ready = LogMessageWaitStrategy("Ready to accept connections").with_startup_timeout(START_TIMEOUT_S)
    with DockerContainer(REDIS_IMAGE).with_exposed_ports(6379).waiting_for(ready) as container:
        yield f"redis://{container.get_container_host_ip()}:{container.get_exposed_port(6379)}/0"


@contextmanager
def clickhouse_container() -> Iterator[str]:
    """Yield the URL of a fresh server, without a database."""
    ready = LogMessageWaitStrategy("Ready for connections").with_startup_timeout(START_TIMEOUT_S)
    container = (
        DockerContainer(CLICKHOUSE_IMAGE)
        .with_env("CLICKHOUSE_SKIP_USER_SETUP", "1")
        .with_env("CLICKHOUSE_LOG_LEVEL", "information")
        .with_exposed_ports(9000)
        .waiting_for(ready)
    )
    with container:
        yield f"clickhouse://default@{container.get_container_host_ip()}:{container.get_exposed_port(9000)}"


@contextmanager
def kafka_container() -> Iterator[str]:
    """Yield the bootstrap address of a fresh Apache Kafka."""
    with KafkaContainer(KAFKA_IMAGE).with_kraft() as container:
        yield container.get_bootstrap_server()
