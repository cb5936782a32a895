"""Configuration of the aggregator."""

from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from libs.kafka.settings import JournalSettings, KafkaSettings
from libs.runtime.config import ServiceConfig
from libs.runtime.redis import RedisSettings

DAY_S = 86_400


class ClickHouseSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where ClickHouse is."""

    url: Annotated[str, Meta(description="clickhouse://user:password@host:port/database, native protocol.")] = (
        "clickhouse://default@127.0.0.1:9000/default"
    )
    connect_timeout_s: Annotated[float, Meta(gt=0, description="Longest wait for a connection.")] = 3.0
    timeout_s: Annotated[float, Meta(gt=0, description="Longest wait for an answer.")] = 60.0


class AggregatorConfig(ServiceConfig, frozen=True, kw_only=True):
    """What the aggregator is told."""

    port: Annotated[int, Meta(ge=0, le=65_535, description="Port to listen on; 0 takes a free one.")] = 8084
    roles: Annotated[
        tuple[Literal["learn", "sink"], ...],
        Meta(description="What this process does: learn keeps statistics and weights, sink fills ClickHouse."),
    ] = ("learn", "sink")
    redis: RedisSettings = RedisSettings()
    kafka: KafkaSettings = KafkaSettings()
    journal: JournalSettings = JournalSettings()
    clickhouse: ClickHouseSettings = ClickHouseSettings()
    providers_file: Annotated[Path | None, Meta(description="TOML catalogue; without it, providers with a key.")] = None
    sink_wait_s: Annotated[
        float,
        Meta(gt=0, description="How long events gather before an insert; longer makes fewer parts in ClickHouse."),
    ] = 0.5
    session_days: Annotated[int, Meta(ge=1, description="How long a quiet session waits for a rating.")] = 30
    observe_s: Annotated[float, Meta(gt=0, description="Longest wait of cost, latency and counters for weights.")] = 5.0
    pool_s: Annotated[float, Meta(gt=0, description="How often the shared pool is brought up to date.")] = 3.0
    refresh_s: Annotated[float, Meta(gt=0, description="How often every tenant's weights are computed anew.")] = 600.0
