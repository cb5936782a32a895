"""An export is its rows and a trailer whose checksum covers every byte before it."""

import csv
import hashlib
import io

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.router.domain.export import ExportedRow, Trailer, Writer, exported
from tests.unit.services.router.events import request


@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_the_trailer_counts_and_signs_what_went_before(form: str):
    writer = Writer(form)
    body = writer.head() + b"".join(writer.row(exported(request(n))) for n in range(3))
    trailer = msgspec.json.decode(writer.trailer(reason="row_limit").removeprefix(b"# "), type=Trailer)
    assert (3, True, "row_limit") == (trailer.rows_emitted, trailer.truncated, trailer.reason)
    assert hashlib.sha256(body).hexdigest() == trailer.checksum_sha256


def test_an_empty_export_of_json_has_no_other_line():
    writer = Writer("jsonl")
    assert (b"", b"e3b0c442") == (writer.head(), writer.trailer().split(b'"')[-2][:8])


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc"])))
def test_a_csv_row_is_read_back_as_it_was(session_id: str):
    writer = Writer("csv")
    lines = (writer.head() + writer.row(exported(request(1, session_id=session_id)))).decode()
    (row,) = csv.DictReader(io.StringIO(lines, newline=""))
    assert (session_id, set(ExportedRow.__struct_fields__)) == (row["session_id"], set(row))
