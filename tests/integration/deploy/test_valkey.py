"""The embedded Redis keeps what was written over a stop and a crash."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from deploy.local.process import free_port
from deploy.local.valkey import valkey
from tests.support.process import LocalProcess


@pytest.fixture
def server(tmp_path: Path) -> Iterator[LocalProcess]:
    process = LocalProcess(valkey(port=free_port(), data=tmp_path / "data"), tmp_path)
    process.start()
    yield process
    process.stop()


@pytest.mark.parametrize("end", [LocalProcess.stop, LocalProcess.kill])
def test_a_write_outlives_the_process(server: LocalProcess, end):
    with Redis(port=server.spec.port) as client:
        client.set("weights", "v1")

    end(server)
    server.start()

    with Redis(port=server.spec.port) as client:
        assert b"v1" == client.get("weights")


def test_each_test_finds_an_empty_database(redis_url: str):
    with Redis.from_url(redis_url) as client:
        assert 0 == client.dbsize()
        client.set("left", "over")


def test_what_another_test_left_is_gone(redis_url: str):
    with Redis.from_url(redis_url) as client:
        assert 0 == client.dbsize()
