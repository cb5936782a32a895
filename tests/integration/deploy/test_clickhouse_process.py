"""The embedded ClickHouse as a process keeps its tables over a stop and a crash, and guards its directory."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from clickhouse_driver import Client

from deploy.local.clickhouse_process import clickhouse
from deploy.local.process import free_port
from tests.support.process import LocalProcess


@pytest.fixture
def server(tmp_path: Path) -> Iterator[LocalProcess]:
    process = LocalProcess(clickhouse(port=free_port(), data=tmp_path / "data"), tmp_path)
    process.start()
    yield process
    process.stop()


def execute(server: LocalProcess, statement: str, *arguments: object) -> list[tuple[object, ...]]:
    with Client("127.0.0.1", port=server.spec.port) as client:
        return client.execute(statement, *arguments)


def test_a_stopped_server_exits_with_zero_and_has_its_rows_when_it_is_back(server: LocalProcess):
    execute(server, "CREATE TABLE t (id UInt32) ENGINE = MergeTree ORDER BY id")
    execute(server, "INSERT INTO t VALUES", [(1,), (2,)])

    assert 0 == server.stop()
    server.start()

    assert [(1,), (2,)] == execute(server, "SELECT id FROM t ORDER BY id")


def test_rows_that_were_acknowledged_survive_a_kill(server: LocalProcess):
    execute(server, "CREATE TABLE t (id UInt32) ENGINE = MergeTree ORDER BY id")
    execute(server, "INSERT INTO t VALUES", [(1,), (2,)])

    server.kill()
    server.start()

    assert [(2,)] == execute(server, "SELECT count() FROM t")


def test_a_connected_client_does_not_keep_the_server_from_stopping(server: LocalProcess):
    with Client("127.0.0.1", port=server.spec.port) as client:
        client.execute("SELECT 1")

        assert 0 == server.stop()


def test_a_second_server_on_the_same_directory_says_so_and_exits(server: LocalProcess):
    second = subprocess.run(server.spec.argv, capture_output=True, text=True, timeout=60, check=False)  # noqa: S603 - ours

    assert 1 == second.returncode
    assert "is open in another process" in second.stderr
