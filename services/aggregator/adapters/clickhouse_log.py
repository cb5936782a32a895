"""The log as ClickHouse keeps it: rows in, and for rebuilding and verifying the events and their sums out again."""

from collections.abc import AsyncIterator, Mapping, Sequence
from importlib.resources import files

import msgspec

from libs.contracts.events import WeightsPublished, session_key
from libs.contracts.topics import FEEDBACK, REQUESTS
from services.aggregator.adapters.clickhouse_client import ClickHouseClient
from services.aggregator.domain import places
from services.aggregator.domain.change import TaskKey
from services.aggregator.domain.places import Place
from services.aggregator.domain.sessions import MAX_HOPS, MAX_RATINGS_PER_SOURCE
from services.aggregator.ports import LoggedEvent, Sums

LEARNED = (REQUESTS.name, FEEDBACK.name)
CHUNK = 2_000

_EVENTS = " UNION ALL ".join(
    f"SELECT '{topic}' AS topic, event FROM {topic} WHERE log_partition = %(partition)s"  # noqa: S608 - our own names
    for topic in LEARNED
)
_LAST = (
    "SELECT log_offset, log_timestamp_ms, tenant, session_id, event, ingested_at_ms FROM {topic} "
    "WHERE log_partition = %(partition)s ORDER BY ingested_at_ms DESC, log_offset DESC LIMIT 1"
)
_NEWEST_WEIGHTS = "SELECT argMax(event, version) FROM weights GROUP BY scope"


class ClickHouseLog:
    """Implements `EventRows` and `EventLog`."""

    def __init__(self, client: ClickHouseClient) -> None:
        self._client = client

    async def insert(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """Insert one block."""
        await self._client.insert(table, columns, rows)

    async def has_rows(self, table: str, partition: int) -> bool:
        """Look for one row."""
        query = f"SELECT 1 FROM {table} WHERE log_partition = %(partition)s LIMIT 1"  # noqa: S608 - our own names
        return bool(await self._client.query(query, {"partition": partition}))

    async def events(self, partition: int) -> AsyncIterator[Sequence[LoggedEvent]]:
        """Stream both tables; the order is no matter to who folds them."""
        async for rows in self._client.stream(_EVENTS, {"partition": partition}, chunk=CHUNK):
            yield [LoggedEvent(topic=topic, value=event.encode()) for topic, event in rows]

    async def count(self, partition: int) -> int:
        """Count what `events` yields."""
        ((count,),) = await self._client.query(f"SELECT count() FROM ({_EVENTS})", {"partition": partition})  # noqa: S608
        return int(count)

    async def places(self, partition: int) -> dict[str, Place]:
        """Return the place after the row stored last; its epoch makes every row until then count as applied."""
        found = {}
        for topic in LEARNED:
            for row in await self._client.query(_LAST.format(topic=topic), {"partition": partition}):
                offset, timestamp_ms, tenant, session_id, event, ingested_at_ms = row
                last = places.fingerprint(
                    offset=offset, timestamp_ms=timestamp_ms, key=session_key(tenant, session_id), value=event.encode()
                )
                found[topic] = Place(next_offset=offset + 1, last=last, epoch_ms=ingested_at_ms)
        return found

    async def newest_weights(self) -> Sequence[WeightsPublished]:
        """Return the newest weights of every scope."""
        rows = await self._client.query(_NEWEST_WEIGHTS)
        return [msgspec.json.decode(event, type=WeightsPublished) for (event,) in rows]

    async def sums(self, applied: Mapping[int, Mapping[str, Place]]) -> Sums:
        """Return the sums over every row that *applied* (partition → topic → place) says is applied, by one query."""
        query = statistics_query(applied)
        sums: dict[TaskKey, dict[str, int]] = {}
        for tenant, task, field, value in await self._client.query(query):
            if value:
                sums.setdefault((tenant, task), {})[field] = value
        return sums


def statistics_query(applied: Mapping[int, Mapping[str, Place]]) -> str:
    """Return the query of adapters/queries/statistics.sql for what is applied."""
    text = files("services.aggregator.adapters").joinpath("queries", "statistics.sql").read_text()
    parts = {
        "applied_requests": _applied(applied, REQUESTS.name),
        "applied_feedback": _applied(applied, FEEDBACK.name),
        "max_hops": str(MAX_HOPS),
        "max_ratings": str(MAX_RATINGS_PER_SOURCE),
    }
    lines = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("--"))
    for name, value in parts.items():
        lines = lines.replace(f"{{{name}}}", value)
    return lines


def _applied(applied: Mapping[int, Mapping[str, Place]], topic: str) -> str:
    parts = (
        f"(log_partition = {partition} AND (log_offset < {place.next_offset} OR ingested_at_ms <= {place.epoch_ms}))"
        for partition, of_topics in sorted(applied.items())
        if (place := of_topics.get(topic)) is not None
    )
    return " OR ".join(parts) or "0"
