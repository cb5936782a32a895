"""What the embedded ClickHouse must know of a statement before its engine runs it."""

import re

import msgspec

BLANK = r"(?is)(?:\s|--[^\n]*\n|/\*(?:[^*]|\*(?!/))*\*/)*"
# What ends in VALUES is followed by data blocks in the protocol instead of rows in the text.
insert_with_data = re.compile(
    BLANK
    + r"insert\s+into\s+(?:table\s+)?(?P<table>[^\s(]+)\s*(?:\((?P<columns>.*)\))?\s*(?:values|format\s+\w+)\s*;?\s*"
)
use_statement = re.compile(BLANK + r"use\s+[`\"]?(?P<database>[^\s`\";]+)[`\"]?\s*;?\s*")
format_clause = re.compile(r"(?is)\s+format\s+\w+\s*;?\s*$")
row_returning = re.compile(BLANK + r"(?:\(\s*)*(?:select|with)\b")


class Insert(msgspec.Struct, frozen=True, kw_only=True):
    """An insert whose rows arrive as data blocks."""

    table: str
    columns: str

    @property
    def sample(self) -> str:
        """A query whose description is that of the block which the client must send."""
        return f"SELECT {self.columns or '*'} FROM {self.table}"  # noqa: S608 - the client's own words, run with its own rights

    @property
    def target(self) -> str:
        """The statement without its data."""
        return f"INSERT INTO {self.table}" + (f" ({self.columns})" if self.columns else "")


def parse_insert(text: str) -> Insert | None:
    """Return the insert that `text` announces; None for every other statement, such as INSERT … SELECT."""
    match = insert_with_data.fullmatch(text)
    return Insert(table=match["table"], columns=(match["columns"] or "").strip()) if match else None


def parse_use(text: str) -> str | None:
    """Return the database that a USE statement switches the connection to."""
    match = use_statement.fullmatch(text)
    return match["database"] if match else None


def without_format(text: str) -> str:
    """Drop a trailing FORMAT clause: over the native protocol the client formats, as it does with a real server."""
    return format_clause.sub("", text.rstrip().rstrip(";"))


def returns_rows(text: str) -> bool:
    """Tell whether the statement has result columns even when it has no row."""
    return row_returning.match(text) is not None
