"""The export of decisions: one line per row in JSON or CSV, and the trailer that proves it is whole."""

import csv
import hashlib
import io
from typing import Literal

import msgspec

from libs.contracts.events import RequestCompleted
from services.router.domain.decisions import threat_of
from services.router.domain.queries import rfc3339

MEDIA_TYPES = {"jsonl": "application/x-ndjson", "csv": "text/csv"}


class ExportedRow(msgspec.Struct, frozen=True, kw_only=True):
    """One decision of an export."""

    request_id: str
    session_id: str | None
    organization_id: str
    provider: str | None
    model: str | None
    status: str
    latency_ms: int | None
    cost_micro_usd: int | None
    cache_enabled: bool
    threat: str | None
    created_at: str


class Trailer(msgspec.Struct, frozen=True, kw_only=True):
    """The last line: *checksum_sha256* covers every byte before it; *reason* says why an export is *truncated*."""

    trailer: Literal[True] = True
    rows_emitted: int
    truncated: bool
    reason: str | None
    checksum_sha256: str


def exported(event: RequestCompleted) -> ExportedRow:
    """Return *event* as a row."""
    return ExportedRow(
        request_id=event.request_id,
        session_id=event.session_id,
        organization_id=event.tenant,
        provider=event.provider,
        model=event.model,
        status=event.status,
        latency_ms=event.latency_ms,
        cost_micro_usd=event.cost_micro_usd,
        cache_enabled=event.cache != "off",
        threat=threat_of(event),
        created_at=rfc3339(event.created_at_ms),
    )


class Writer:
    """Turns rows into bytes and remembers what the trailer has to say."""

    def __init__(self, form: str) -> None:
        self._form = form
        self._sha256 = hashlib.sha256()
        self.rows = 0

    def head(self) -> bytes:
        """Return the first bytes: the header line of a CSV."""
        return self._counted(_csv_line(ExportedRow.__struct_fields__) if self._form == "csv" else b"")

    def row(self, row: ExportedRow) -> bytes:
        """Return one line."""
        self.rows += 1
        line = _csv_line(msgspec.structs.astuple(row)) if self._form == "csv" else msgspec.json.encode(row) + b"\n"
        return self._counted(line)

    def trailer(self, *, reason: str | None = None) -> bytes:
        """Return the last line; a *reason* says that rows are missing. In a CSV it is a comment."""
        trailer = Trailer(
            rows_emitted=self.rows,
            truncated=reason is not None,
            reason=reason,
            checksum_sha256=self._sha256.hexdigest(),
        )
        return (b"# " if self._form == "csv" else b"") + msgspec.json.encode(trailer) + b"\n"

    def _counted(self, line: bytes) -> bytes:
        self._sha256.update(line)
        return line


def _csv_line(values: tuple[object, ...]) -> bytes:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(values)
    return line.getvalue().encode()
