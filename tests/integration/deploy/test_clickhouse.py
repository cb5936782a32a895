"""An unmodified clickhouse-driver works: on the embedded server, and on a real one when CLICKHOUSE_URL names it."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from decimal import Decimal
from ipaddress import IPv4Address
from threading import Thread
from uuid import UUID

import pytest
from clickhouse_driver import Client
from clickhouse_driver.errors import ServerException

WHEN = datetime(2026, 11, 1, 12, 30)  # noqa: DTZ001 - the driver takes and gives naive times for columns without a zone
ALL_TYPES = {
    "s String": "text ☃",
    "fixed FixedString(3)": "abc",
    "u8 UInt8": 255,
    "u64 UInt64": 2**64 - 1,
    "i16 Int16": -32768,
    "i64 Int64": -(2**63),
    "u128 UInt128": 2**128 - 1,
    "f32 Float32": 1.5,
    "f64 Float64": 0.1,
    "money Decimal(18, 6)": Decimal("12.345678"),
    "day Date": date(2026, 11, 1),
    "at DateTime": WHEN,
    "at_ms DateTime64(3)": WHEN.replace(microsecond=123000),
    "at_zone DateTime64(3, 'UTC')": WHEN.replace(tzinfo=UTC),
    "b Bool": True,
    "nothing Nullable(UInt32)": None,
    "something Nullable(String)": "x",
    "low LowCardinality(String)": "gpt",
    "low_null LowCardinality(Nullable(String))": None,
    "list Array(String)": ["a", "", "b"],
    "deep Array(Array(Nullable(UInt8)))": [[1, None], []],
    "lows Array(LowCardinality(String))": ["a", "a"],
    "map Map(String, Float64)": {"cost": 1.25},
    "low_map Map(LowCardinality(String), Array(String))": {"k": ["v"]},
    "pair Tuple(a String, b UInt8)": ("x", 7),
    "id UUID": UUID("12345678-1234-5678-1234-567812345678"),
    "kind Enum8('a, (b)' = 1, 'c' = 2)": "a, (b)",
    "wide Enum16('x' = 1000)": "x",
    "ip IPv4": IPv4Address("10.1.2.3"),
}


@pytest.fixture
def client(clickhouse_url: str) -> Iterator[Client]:
    with Client.from_url(clickhouse_url) as client:
        yield client


@pytest.mark.parametrize("rows", [1, 3, 2_000])
def test_values_of_every_type_come_back_as_they_were_sent(client: Client, rows: int):
    columns = ["row UInt32", *ALL_TYPES]
    client.execute(f"CREATE TABLE t ({', '.join(columns)}) ENGINE = MergeTree ORDER BY row")
    sent = [(row, *ALL_TYPES.values()) for row in range(rows)]

    assert rows == client.execute("INSERT INTO t VALUES", sent)
    assert sent == client.execute("SELECT * FROM t ORDER BY row")


@pytest.mark.parametrize("declaration", ALL_TYPES)
def test_a_column_can_be_inserted_alone(client: Client, declaration: str):
    name = declaration.split(maxsplit=1)[0]
    client.execute(f"CREATE TABLE t ({declaration}) ENGINE = Memory")

    client.execute(f"INSERT INTO t ({name}) VALUES", [(ALL_TYPES[declaration],)] * 2)

    assert [(ALL_TYPES[declaration],)] * 2 == client.execute("SELECT * FROM t")


def test_twenty_thousand_rows_go_in_and_out_in_one_statement(client: Client):
    client.execute(
        "CREATE TABLE t (id UInt32, model LowCardinality(String), body String) ENGINE = MergeTree ORDER BY id"
    )
    rows = [(i, f"model-{i % 300}", "x" * (i % 200)) for i in range(20_000)]

    client.execute("INSERT INTO t VALUES", rows)

    assert rows == client.execute("SELECT * FROM t ORDER BY id")


def test_parameters_are_substituted_with_their_quotes(client: Client):
    given = {"text": "it's \\ `quoted`", "numbers": [1, 2], "none": None}

    assert [("it's \\ `quoted`", [1, 2], None)] == client.execute("SELECT %(text)s, %(numbers)s, %(none)s", given)


def test_rows_can_be_inserted_from_text_and_from_a_query(client: Client):
    client.execute("CREATE TABLE t (id UInt32, at DateTime) ENGINE = Memory")

    client.execute("INSERT INTO t VALUES (1, '2026-11-01 12:30:00')")
    client.execute("INSERT INTO t SELECT id + 1, at FROM t")

    assert [(1, WHEN), (2, WHEN)] == client.execute("SELECT * FROM t ORDER BY id")


def test_final_shows_only_the_newest_version_of_a_row(client: Client):
    client.execute("CREATE TABLE t (id UInt32, version UInt32) ENGINE = ReplacingMergeTree(version) ORDER BY id")

    for version in (1, 3, 2):
        client.execute("INSERT INTO t VALUES", [(7, version)])

    assert [(7, 3)] == client.execute("SELECT * FROM t FINAL")


def test_an_empty_answer_still_names_its_columns(client: Client):
    assert ([], [("one", "UInt8")]) == client.execute("SELECT 1 AS one WHERE 0", with_column_types=True)


def test_an_answer_can_be_read_block_by_block(client: Client):
    rows = client.execute_iter("SELECT number FROM numbers(200000)", settings={"max_block_size": 1000})

    assert sum(range(200_000)) == sum(number for (number,) in rows)


@pytest.mark.parametrize(
    ("statement", "code"),
    [("SELECT missing", 47), ("SELECT * FROM missing", 60), ("SELECT throwIf(1)", 395), ("CREATE TABLE", 62)],
)
def test_an_error_reaches_the_client_with_its_code_and_the_connection_lives_on(
    client: Client, statement: str, code: int
):
    with pytest.raises(ServerException) as raised:
        client.execute(statement)

    assert code == raised.value.code
    assert [(1,)] == client.execute("SELECT 1")


def test_a_refused_insert_is_an_error_and_writes_nothing(client: Client):
    client.execute("CREATE TABLE t (id UInt32, CONSTRAINT small CHECK id < 10) ENGINE = Memory")

    with pytest.raises(ServerException) as raised:
        client.execute("INSERT INTO t VALUES", [(1,), (99,)])

    assert 469 == raised.value.code
    assert [(0,)] == client.execute("SELECT count() FROM t")


def test_an_error_of_a_materialized_view_fails_the_insert(client: Client):
    client.execute("CREATE TABLE t (id UInt32) ENGINE = MergeTree ORDER BY id")
    client.execute("CREATE MATERIALIZED VIEW v ENGINE = Memory AS SELECT throwIf(id = 9) AS never FROM t")

    with pytest.raises(ServerException) as raised:
        client.execute("INSERT INTO t VALUES", [(9,)])

    assert 395 == raised.value.code


def test_columns_that_are_left_out_get_their_defaults_and_views_see_the_rows(client: Client):
    client.execute(
        "CREATE TABLE t (id UInt32, twice UInt32 DEFAULT id * 2, next UInt32 MATERIALIZED id + 1) ENGINE = Memory"
    )
    client.execute("CREATE MATERIALIZED VIEW v ENGINE = Memory AS SELECT sum(next) AS total FROM t")

    client.execute("INSERT INTO t (id) VALUES", [(4,), (5,)])

    assert [(4, 8, 5), (5, 10, 6)] == client.execute("SELECT *, next FROM t ORDER BY id")
    assert [(11,)] == client.execute("SELECT total FROM v")


def test_an_insert_into_a_missing_table_is_an_error(client: Client):
    with pytest.raises(ServerException) as raised:
        client.execute("INSERT INTO missing VALUES", [(1,)])

    assert 60 == raised.value.code


def test_settings_hold_for_their_statement_only(client: Client):
    before = client.execute("SELECT getSetting('max_threads')")

    assert [(3,)] == client.execute("SELECT getSetting('max_threads')", settings={"max_threads": 3})
    assert before == client.execute("SELECT getSetting('max_threads')")


def test_a_database_that_does_not_exist_is_an_error(clickhouse_server: str):
    url = clickhouse_server.rsplit("/", 1)[0] + "/missing"

    with Client.from_url(url) as client, pytest.raises(ServerException) as raised:
        client.execute("SELECT 1")

    assert 81 == raised.value.code


def test_each_client_keeps_its_own_database(client: Client, clickhouse_server: str):
    client.execute("CREATE TABLE t (id UInt32) ENGINE = Memory")

    with Client.from_url(clickhouse_server) as other:
        (elsewhere,) = other.execute("SELECT currentDatabase()")

    assert elsewhere != client.execute("SELECT currentDatabase()")[0]
    assert [(0,)] == client.execute("SELECT count() FROM t")


def test_several_clients_write_at_once_and_no_row_is_lost(client: Client, clickhouse_url: str):
    client.execute("CREATE TABLE t (writer UInt8, row UInt32) ENGINE = MergeTree ORDER BY (writer, row)")

    def write(writer: int) -> None:
        with Client.from_url(clickhouse_url) as own:
            for row in range(0, 100, 10):
                own.execute("INSERT INTO t VALUES", [(writer, row + i) for i in range(10)])

    with ThreadPoolExecutor(6) as writers:
        list(writers.map(write, range(6)))

    assert [(600, 6)] == client.execute("SELECT count(), uniqExact(writer) FROM t")


def test_a_client_that_leaves_in_the_middle_of_a_query_harms_nobody(client: Client, clickhouse_url: str):
    with Client.from_url(clickhouse_url) as leaver:
        leaver.execute("SELECT 1")
        leaver.connection.send_query("SELECT sum(sipHash64(number)) FROM numbers(20000000)")
        leaver.connection.send_external_tables([])
        leaver.disconnect()

    assert [(2,)] == client.execute("SELECT 2")


def test_a_client_that_leaves_in_the_middle_of_an_insert_writes_nothing(client: Client, clickhouse_url: str):
    client.execute("CREATE TABLE t (id UInt32) ENGINE = Memory")

    def rows() -> Iterator[tuple[int]]:
        yield (1,)
        raise ConnectionAbortedError

    with Client.from_url(clickhouse_url) as leaver, pytest.raises(ConnectionAbortedError):
        leaver.execute("INSERT INTO t VALUES", rows(), settings={"insert_block_size": 1})

    assert [(0,)] == client.execute("SELECT count() FROM t")


def test_a_ping_is_answered_while_another_client_waits_for_its_query(client: Client, clickhouse_url: str):
    client.execute("SELECT 1")

    def slow() -> None:
        with Client.from_url(clickhouse_url) as own:
            own.execute("SELECT sum(sipHash64(number)) FROM numbers(20000000)")

    other = Thread(target=slow)
    other.start()
    assert client.connection.ping()
    other.join()
