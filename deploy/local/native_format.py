"""ClickHouse's Native block format, walked far enough to find where each block and column ends."""

import re
import struct
from collections.abc import Callable, Iterator
from functools import lru_cache

type_call = re.compile(r"(?s)(?P<name>\w+)(?:\((?P<arguments>.*)\))?")
named_element = re.compile(r"(?s)(?:`[^`]*`|\w+)\s+(?P<type>.+)")
quoted_or_single = re.compile(r"(?s)'(?:[^'\\]|\\.)*'|`[^`]*`|.")

Buffer = bytes | bytearray | memoryview
Skip = Callable[[Buffer, int, int], int]
"""(data, start, rows) → where the column's data ends; may lie beyond the data when bytes are missing."""

WIDTHS = {
    **dict.fromkeys(("Bool", "Int8", "UInt8", "Enum8", "Nothing"), 1),
    **dict.fromkeys(("Int16", "UInt16", "Enum16", "Date"), 2),
    **dict.fromkeys(("Int32", "UInt32", "Float32", "Date32", "DateTime", "IPv4"), 4),
    **dict.fromkeys(("Int64", "UInt64", "Float64", "DateTime64"), 8),
    **dict.fromkeys(("Int128", "UInt128", "UUID", "IPv6"), 16),
    **dict.fromkeys(("Int256", "UInt256"), 32),
}
DECIMAL_WIDTHS = ((9, 4), (18, 8), (38, 16), (76, 32))
INDEX_TYPE_MASK = 0xF


class IncompleteBlockError(Exception):
    """The data ends before the thing that is being read does: more bytes are needed."""


class UnsupportedTypeError(Exception):
    """The column has a type whose Native layout this module does not know."""


def read_varint(data: Buffer, start: int) -> tuple[int, int]:
    """Return (value, end) of the LEB128 number at `start`."""
    value = shift = 0
    for end in range(start, len(data)):
        value |= (data[end] & 0x7F) << shift
        if data[end] < 0x80:  # noqa: PLR2004 - the continuation bit
            return value, end + 1
        shift += 7
    raise IncompleteBlockError


def read_string(data: Buffer, start: int) -> tuple[str, int]:
    """Return (text, end) of the length-prefixed string at `start`."""
    size, start = read_varint(data, start)
    if start + size > len(data):
        raise IncompleteBlockError
    return bytes(data[start : start + size]).decode(errors="replace"), start + size


def column_end(data: Buffer, start: int, rows: int, type_name: str) -> int:
    """Return where the data of a column of `rows` rows ends; its name and type stand before `start`."""
    if not rows:
        return start
    try:
        end = _skip_of(type_name)(data, start + _prefix_size(type_name), rows)
    except (IndexError, struct.error) as error:
        raise IncompleteBlockError from error
    if end > len(data):
        raise IncompleteBlockError
    return end


def split_blocks(data: bytes) -> Iterator[memoryview]:
    """Yield each block of a query result that ClickHouse wrote with FORMAT Native."""
    view, start = memoryview(data), 0
    while start < len(data):
        end = _block_end(data, start)
        yield view[start:end]
        start = end


def _block_end(data: bytes, start: int) -> int:
    columns, start = read_varint(data, start)
    rows, start = read_varint(data, start)
    for _ in range(columns):
        _, start = read_string(data, start)
        type_name, start = read_string(data, start)
        start = column_end(data, start, rows, type_name)
    return start


def _prefix_size(type_name: str) -> int:
    # Each dictionary's version precedes the data of the whole column, however deep it is nested.
    return 8 * type_name.count("LowCardinality(")


@lru_cache(maxsize=1024)
def _skip_of(type_name: str) -> Skip:
    name, arguments = _parse(type_name)
    if name in WIDTHS:
        return _fixed(WIDTHS[name])
    if name in _COMPOUND:
        return _COMPOUND[name](arguments)
    raise UnsupportedTypeError(f"column type {type_name} is not supported by the embedded ClickHouse")


def _parse(type_name: str) -> tuple[str, list[str]]:
    match = type_call.fullmatch(type_name.strip())
    if match is None:
        raise UnsupportedTypeError(f"column type {type_name} is not understood")
    return match["name"], _split_arguments(match["arguments"] or "")


def _split_arguments(text: str) -> list[str]:
    depth, parts = 0, [""]
    for piece in quoted_or_single.findall(text):
        depth += (piece == "(") - (piece == ")")
        if piece == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += piece
    return [part.strip() for part in parts if part.strip()]


def _fixed(width: int) -> Skip:
    return lambda _data, start, rows: start + width * rows


def _integers(layout: str, data: Buffer, start: int) -> tuple[int, ...]:
    return struct.unpack_from(layout, data, start)


def _strings(data: Buffer, start: int, rows: int) -> int:
    for _ in range(rows):
        size = data[start]
        start += 1
        if size >= 0x80:  # noqa: PLR2004 - the continuation bit
            size, start = read_varint(data, start - 1)
        start += size
    return start


def _decimal(arguments: list[str]) -> Skip:
    precision = int(arguments[0])
    return _fixed(next(width for limit, width in DECIMAL_WIDTHS if precision <= limit))


def _nullable(arguments: list[str]) -> Skip:
    inner = _skip_of(arguments[0])
    return lambda data, start, rows: inner(data, start + rows, rows)


def _array(arguments: list[str]) -> Skip:
    inner = _tuple(arguments)

    def skip(data: Buffer, start: int, rows: int) -> int:
        if not rows:
            return start
        (items,) = _integers("<Q", data, start + 8 * (rows - 1))
        return inner(data, start + 8 * rows, items)

    return skip


def _tuple(arguments: list[str]) -> Skip:
    inner = [_skip_of(_element_type(argument)) for argument in arguments]

    def skip(data: Buffer, start: int, rows: int) -> int:
        for element in inner:
            start = element(data, start, rows)
        return start

    return skip


def _element_type(argument: str) -> str:
    named = named_element.fullmatch(argument)
    return named["type"] if named else argument


def _low_cardinality(arguments: list[str]) -> Skip:
    # The dictionary holds plain values: null is its first entry, without a null map.
    keys = _skip_of(re.sub(r"^Nullable\((.*)\)$", r"\1", arguments[0]))

    def skip(data: Buffer, start: int, rows: int) -> int:
        if not rows:
            return start
        flags, key_count = _integers("<QQ", data, start)
        return keys(data, start + 16, key_count) + 8 + (rows << (flags & INDEX_TYPE_MASK))

    return skip


_COMPOUND: dict[str, Callable[[list[str]], Skip]] = {
    "String": lambda _arguments: _strings,
    "FixedString": lambda arguments: _fixed(int(arguments[0])),
    "Decimal": _decimal,
    "Nullable": _nullable,
    "Array": _array,
    "Nested": _array,
    "Map": _array,
    "Tuple": _tuple,
    "LowCardinality": _low_cardinality,
    "SimpleAggregateFunction": lambda arguments: _skip_of(arguments[1]),
}
