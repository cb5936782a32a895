"""The ClickHouse schema kept up to date: numbered SQL files applied in order, each once."""

from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable

import msgspec
import structlog

from services.aggregator.adapters.clickhouse_client import ClickHouseClient

log = structlog.get_logger(__name__)

_LEDGER = """
CREATE TABLE IF NOT EXISTS schema_migrations (name String, applied_at DateTime DEFAULT now())
ENGINE = ReplacingMergeTree ORDER BY name
"""


class Migration(msgspec.Struct, frozen=True, kw_only=True):
    """One file: its name, which sorts in the order of application, and its statements."""

    name: str
    statements: tuple[str, ...]


def shipped() -> tuple[Migration, ...]:
    """Return the migrations of deploy/clickhouse in order."""
    return load(files("deploy.clickhouse"))


def load(directory: Traversable) -> tuple[Migration, ...]:
    """Return the migrations in *directory*: its `NNNN_*.sql` files by name."""
    found = sorted((file for file in directory.iterdir() if file.name.endswith(".sql")), key=lambda file: file.name)
    return tuple(Migration(name=file.name, statements=tuple(statements(file.read_text()))) for file in found)


async def migrate(client: ClickHouseClient, migrations: tuple[Migration, ...]) -> tuple[str, ...]:
    """
    Apply what is not yet in the ledger and return the names applied.

    Statements must tolerate being run again: ClickHouse has no transactions, so a crash repeats the file that it interrupted,
    and two processes that start together may both run it.
    """
    await client.execute(_LEDGER)
    applied = {name for (name,) in await client.query("SELECT name FROM schema_migrations FINAL")}
    due = tuple(migration for migration in migrations if migration.name not in applied)
    for migration in due:
        for statement in migration.statements:
            await client.execute(statement)
        await client.insert("schema_migrations", ("name",), [(migration.name,)])
        log.info("schema.migrated", name=migration.name)
    return tuple(migration.name for migration in due)


def statements(sql: str) -> Iterator[str]:
    """Yield the statements of a file; a line that begins with `--` is a comment, a semicolon at a line's end a boundary."""
    lines = (line for line in sql.splitlines() if not line.lstrip().startswith("--"))
    for statement in "\n".join(lines).split(";\n"):
        text = statement.strip().rstrip(";")
        if text:
            yield text
