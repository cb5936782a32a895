"""The end of every block is found, whatever its types, and never beyond what has arrived."""

from datetime import date

import pytest
from clickhouse_driver.bufferedwriter import BufferedSocketWriter
from clickhouse_driver.columns.service import write_column
from hypothesis import given
from hypothesis import strategies as st

from deploy.local.native_format import (
    IncompleteBlockError,
    UnsupportedTypeError,
    column_end,
    read_string,
    read_varint,
    split_blocks,
)
from deploy.local.native_protocol import string, varint

text = st.text(st.characters(codec="utf-8"), max_size=200)
VALUES: dict[str, st.SearchStrategy[object]] = {
    "UInt8": st.integers(0, 255),
    "Int64": st.integers(-(2**63), 2**63 - 1),
    "UInt128": st.integers(0, 2**128 - 1),
    "Float64": st.floats(allow_nan=False),
    "String": text,
    "Date": st.dates(date(1970, 1, 2), date(2100, 1, 1)),
    "Enum8('a' = 1)": st.just(1),
    "UUID": st.uuids(),
}
plain = st.sampled_from(sorted(VALUES))
nested = st.recursive(
    st.one_of(
        plain,
        plain.map(lambda inner: f"Nullable({inner})"),
        # The driver itself cannot take apart a map of deeper types.
        plain.map(lambda inner: f"Map(String, {inner})"),
        st.sampled_from(["LowCardinality(String)", "LowCardinality(Nullable(String))"]),
    ),
    lambda inner: inner.map(lambda name: f"Array({name})"),
)


class Memory:
    """A socket that keeps what is sent."""

    def __init__(self) -> None:
        self.data = b""

    def sendall(self, data: bytes) -> None:
        self.data += bytes(data)


class DriverContext:
    """What the driver's columns ask their connection."""

    client_settings = {"strings_as_bytes": False, "use_numpy": False, "strings_encoding": "utf-8"}  # noqa: RUF012 - read only
    settings = {}  # noqa: RUF012 - read only


def values_of(type_name: str) -> st.SearchStrategy[object]:
    if type_name in VALUES:
        return VALUES[type_name]
    name, inner = type_name.split("(", 1)
    inner = inner[:-1]
    if name == "Array":
        return st.lists(values_of(inner), max_size=4)
    if name == "Map":
        return st.dictionaries(text, values_of(inner.removeprefix("String, ")), max_size=3)
    if name == "Nullable":
        return st.none() | values_of(inner)
    if name == "LowCardinality":
        return text if inner == "String" else st.none() | text
    return st.nothing()


@st.composite
def columns(draw: st.DrawFn) -> tuple[str, list[object]]:
    type_name = draw(nested)
    return type_name, draw(st.lists(values_of(type_name), min_size=1, max_size=5))


def written(type_name: str, values: list[object]) -> bytes:
    memory = Memory()
    writer = BufferedSocketWriter(memory, 1 << 16)
    write_column(DriverContext(), "c", type_name, values, writer)
    writer.flush()
    return memory.data


@given(columns(), st.binary(max_size=9))
def test_a_column_ends_where_the_driver_stopped_writing_it(column: tuple[str, list[object]], following: bytes):
    type_name, values = column
    data = written(type_name, values)

    assert 3 + len(data) == column_end(b"xyz" + data + following, 3, len(values), type_name)


@given(columns(), st.data())
def test_a_column_that_was_cut_off_asks_for_more(column: tuple[str, list[object]], data: st.DataObject):
    type_name, values = column
    whole = written(type_name, values)
    cut = data.draw(st.integers(0, len(whole) - 1))

    with pytest.raises(IncompleteBlockError):
        column_end(whole[:cut], 0, len(values), type_name)


@pytest.mark.parametrize(
    ("type_name", "size"),
    [
        ("Tuple(a UInt8, `b c` Array(Tuple(x Int16)), Float64)", 1 + 8 + 0 + 8),
        ("Tuple(Enum8('a, (b)' = 1, 'it\\'s' = 2), UInt8)", 2),
        ("Decimal(38, 2)", 16),
        ("FixedString(7)", 7),
        ("SimpleAggregateFunction(sum, Float64)", 8),
        ("DateTime64(3, 'Europe/Lisbon')", 8),
    ],
)
def test_the_size_of_a_row_follows_from_its_type(type_name: str, size: int):
    assert size == column_end(bytes(100), 0, 1, type_name)


def test_a_column_without_rows_has_no_data():
    assert 5 == column_end(b"12345", 5, 0, "LowCardinality(String)")


def test_an_unknown_type_is_refused_by_name():
    with pytest.raises(UnsupportedTypeError, match="AggregateFunction"):
        column_end(bytes(100), 0, 1, "AggregateFunction(sum, Float64)")


@given(st.integers(0, 2**64 - 1))
def test_a_number_is_read_as_it_was_written(value: int):
    assert (value, len(varint(value))) == read_varint(varint(value), 0)


@given(text)
def test_a_text_is_read_as_it_was_written(value: str):
    assert (value, len(string(value))) == read_string(string(value), 0)


def test_a_result_is_split_into_its_blocks():
    block = varint(1) + varint(2) + string("n") + string("UInt8") + b"\x01\x02"

    assert [block, block] == [bytes(part) for part in split_blocks(block + block)]
