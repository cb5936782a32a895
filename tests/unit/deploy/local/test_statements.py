"""What a statement is, told from its text alone."""

import pytest

from deploy.local.statements import Insert, parse_insert, parse_use, returns_rows, without_format


@pytest.mark.parametrize(
    ("text", "insert"),
    [
        ("INSERT INTO t VALUES", Insert(table="t", columns="")),
        ("insert into table db.t (a, b)\nvalues ;", Insert(table="db.t", columns="a, b")),
        ("INSERT INTO t (* EXCEPT(a)) FORMAT Native", Insert(table="t", columns="* EXCEPT(a)")),
        ("-- why\n/* and; how */ INSERT INTO t VALUES", Insert(table="t", columns="")),
        ("INSERT INTO t VALUES (1)", None),
        ("-- INSERT INTO t VALUES", None),
        ("INSERT INTO t SELECT 1 AS values", None),
        ("SELECT 'INSERT INTO t VALUES'", None),
    ],
)
def test_an_insert_with_data_is_recognised(text: str, insert: Insert | None):
    assert insert == parse_insert(text)


def test_an_insert_names_its_target_and_its_sample():
    insert = Insert(table="t", columns="a, b")

    assert ("INSERT INTO t (a, b)", "SELECT a, b FROM t") == (insert.target, insert.sample)


@pytest.mark.parametrize(
    ("text", "database"), [("USE a", "a"), (" use `b c`;", None), ("use `b`;", "b"), ("USED", None)]
)
def test_a_change_of_database_is_recognised(text: str, database: str | None):
    assert database == parse_use(text)


@pytest.mark.parametrize("text", ["SELECT 1", "SELECT 1 FORMAT JSON", "SELECT 1\nformat Native ;", "SELECT 1;"])
def test_the_output_format_is_the_clients_affair(text: str):
    assert "SELECT 1" == without_format(text)


@pytest.mark.parametrize("text", ["SELECT 1", "((select 1))", "WITH 1 AS x SELECT x", "-- why\nSELECT 1"])
def test_queries_return_rows(text: str):
    assert returns_rows(text)


@pytest.mark.parametrize("text", ["DROP TABLE t", "selected", "INSERT INTO t SELECT 1"])
def test_other_statements_do_not(text: str):
    assert not returns_rows(text)
