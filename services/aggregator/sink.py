"""The reader of every topic: each event becomes a row, the place in the log moves only afterwards."""

from collections.abc import Callable

from libs.contracts.events import Event
from libs.kafka.batches import Batch
from libs.kafka.consumer import GroupOffsets
from libs.kafka.ports import Source
from services.aggregator.domain.rows import Origin, Row, row_of, table_of
from services.aggregator.metrics import SinkMetrics
from services.aggregator.ports import EventRows


class SinkOffsets(GroupOffsets):
    """
    Progress kept by Kafka with the group, except where ClickHouse has nothing of a partition.

    Then the log is read from its beginning: the table is new, or was lost, and the group's offsets say nothing about it.
    """

    def __init__(self, rows: EventRows) -> None:
        self._rows = rows

    async def resume(self, source: Source, partitions: frozenset[int]) -> None:
        """Point *source* at the beginning of logs without a row."""
        for partition in sorted(partitions):
            beginnings = await source.beginning_offsets(partition)
            for topic, beginning in beginnings.items():
                if not await self._rows.has_rows(topic, partition):
                    source.seek(topic, partition, beginning)


class Sink:
    """Handler of the consumer loop that fills ClickHouse; a batch read again writes the same rows again, which merge."""

    def __init__(self, rows: EventRows, metrics: SinkMetrics, *, clock_ms: Callable[[], int]) -> None:
        self._rows = rows
        self._metrics = metrics
        self._clock_ms = clock_ms

    async def handle(self, batch: Batch[Event]) -> None:
        """Insert the batch, one insert per table; raises `LogUnavailableError` while ClickHouse is away."""
        for table, rows in self._by_table(batch).items():
            columns = tuple(rows[0])
            await self._rows.insert(table, columns, [tuple(row.values()) for row in rows])
            self._metrics.rows.labels(table).inc(len(rows))

    def _by_table(self, batch: Batch[Event]) -> dict[str, list[Row]]:
        now_ms = self._clock_ms()
        tables: dict[str, list[Row]] = {}
        for record, event in zip(batch.records, batch.events, strict=True):
            origin = Origin(
                partition=record.partition,
                offset=record.offset,
                timestamp_ms=record.timestamp_ms,
                value=record.value,
                ingested_at_ms=now_ms,
            )
            tables.setdefault(table_of(event), []).append(row_of(event, origin))
        return tables
