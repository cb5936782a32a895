"""A Day-0 table is used whole or refused with every field that is wrong; the shipped one is in force until another is."""

import copy
from importlib.resources import files
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.routing.priors import DAY0, basis_of, day0, day0_id, load_priors, table_id
from libs.routing.tables import InForce, TableError, read_table
from tests.unit.libs.routing.builders import a_model

BOARD = {
    "name": "own",
    "source": "our own runs",
    "models": 2,
    "first_date": "2026-01-01",
    "last_date": "2026-02-01",
    "tasks": ["coding"],
}
TABLE: dict[str, Any] = {
    "built_on": "2026-03-01",
    "boards": [BOARD],
    "families": {
        "gpt-5-4": {"overall": 1.0, "boards": 1, "tasks": {"coding": 1.5}},
        "house-1": {"overall": -0.5, "boards": 1},
    },
    "lines": {"house": "house-1"},
    "price_slope": 0.3,
    "price_intercept": -0.1,
}


ID_BEFORE_ERRORS = "125746fa8a0d"


def content(**changes: Any) -> bytes:
    return msgspec.json.encode(TABLE | changes)


def with_value(path: str, value: object) -> bytes:
    plain = copy.deepcopy(TABLE)
    *outer, last = path.split("/")
    place: Any = plain
    for step in outer:
        place = place[int(step) if step.isdigit() else step]
    place[last] = value
    return msgspec.json.encode(plain)


def test_the_shipped_table_is_one_that_could_be_loaded():
    assert load_priors() == read_table(files("libs.routing").joinpath("data/priors.json").read_bytes())


@pytest.mark.parametrize(
    ("path", "value", "fault"),
    [
        ("built_on", "yesterday", r"built_on: has to be a date as 2026-11-22, not 'yesterday'"),
        ("boards", [], "boards: name at least one"),
        ("boards/0/source", "", r"boards\[0\]: name and source"),
        ("boards/0/last_date", "2025-01-01", r"boards\[0\]\.last_date: lies before first_date"),
        ("boards/0/tasks", ["juggling"], r"boards\[0\]\.tasks: there is no task 'juggling'"),
        ("families", {}, "families: name at least one"),
        ("families/GPT 5.4", {"overall": 1.0, "boards": 1}, r"families\.GPT 5\.4: no model would find it: call it 'gpt-5-4'"),
        ("families/gpt-5-4/overall", 87.5, r"families\.gpt-5-4\.overall: has to be a z-score from -10 to 10, not 87\.5"),
        ("families/gpt-5-4/boards", 7, r"families\.gpt-5-4\.boards: has to be from 1 to 1"),
        ("families/gpt-5-4/tasks", {"juggling": 1.0}, r"families\.gpt-5-4\.tasks: there is no task 'juggling'"),
        ("families/gpt-5-4/standard_errors", {"coding": -0.1}, r"standard_errors\.coding: has to be a standard error from 0 to 10, not -0\.1"),
        ("families/gpt-5-4/standard_errors", {"coding": 11}, r"standard_errors\.coding: has to be a standard error"),
        ("families/gpt-5-4/standard_errors", {"chat": 0.1}, r"standard_errors\.chat: belongs to no score in tasks"),
        ("families/gpt-5-4/standard_errors", None, r"Expected `object`, got `null` - at `\$.families"),
        ("lines/house", "house-2", r"lines\.house: 'house-2' is no family of the table"),
        ("price_slope", 1e9, "price_slope: has to be a z-score"),
        ("families/gpt-5-4/overall", "good", r"Expected `float`, got `str` - at `\$.families"),
    ],
)  # fmt: skip
def test_a_mistake_is_named(path: str, value: object, fault: str):
    with pytest.raises(TableError, match=fault):
        read_table(with_value(path, value))


def test_every_mistake_is_named_at_once():
    with pytest.raises(TableError) as caught:
        read_table(content(built_on="x", lines={"a": "b"}, price_intercept=-99.0))
    assert 3 == len(caught.value.faults)


@given(
    st.binary(max_size=200) | st.recursive(st.none() | st.integers(), st.lists, max_leaves=5).map(msgspec.json.encode)
)
def test_what_is_no_table_is_refused_and_nothing_else_happens(raw: bytes):
    with pytest.raises(TableError):
        read_table(raw)


def test_standard_errors_may_be_given():
    table = read_table(with_value("families/gpt-5-4/standard_errors", {"coding": 0.25}))
    assert {"coding": 0.25} == table.families["gpt-5-4"].standard_errors
    assert table_id(read_table(content())) != table_id(table)


def test_a_table_without_standard_errors_keeps_the_id_that_logged_decisions_name():
    assert ID_BEFORE_ERRORS == table_id(read_table(content()))


def test_the_same_table_is_the_same_object_until_another_comes():
    kept = InForce()
    assert load_priors() is kept.table is kept.take(None)
    own = kept.take(content())
    assert own is kept.take(content()) is kept.table
    with pytest.raises(TableError):
        kept.take(b"{}")
    assert own is kept.table
    assert load_priors() is kept.take(None)


def test_decisions_name_the_table_they_rest_on():
    own, other = read_table(content()), read_table(content(price_slope=0.4))
    assert DAY0 == day0_id(load_priors())
    assert f"day0:{table_id(own)}" == day0(own, [a_model("gpt-5-4")], now_ms=0).event_id
    assert table_id(own) != table_id(other)


@pytest.mark.parametrize(
    ("family", "basis"),
    [("gpt-5-4", "benchmarks"), ("house-2", "predecessor"), ("house-0", "price"), ("nobody-1", "price")],
)
def test_the_basis_of_an_expectation_is_told(family: str, basis: str):
    assert basis == basis_of(read_table(content()), a_model(family))
