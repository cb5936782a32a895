"""Configuration of the router."""

from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from libs.kafka.settings import KafkaSettings
from libs.runtime.config import Secret, ServiceConfig
from libs.runtime.redis import RedisSettings


class ClickHouseSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where the decision log is."""

    url: Annotated[Secret, Meta(description="clickhouse://user:password@host:port/database.")] = Secret(
        "clickhouse://default@127.0.0.1:9000/default"
    )
    timeout_s: Annotated[float, Meta(gt=0, description="Longest wait for an answer.")] = 10.0
    threads: Annotated[int, Meta(ge=1, description="Queries at a time.")] = 4


class ExplainSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How a routing decision is explained."""

    scan: Annotated[bool, Meta(description="Run the prompt firewall, as the gateway does.")] = True
    scan_deadline_s: Annotated[float, Meta(gt=0, description="Longest wait for its verdict.")] = 1.0


class RouterConfig(ServiceConfig, frozen=True, kw_only=True):
    """What the router is told."""

    port: Annotated[int, Meta(ge=0, le=65_535, description="Port to listen on; 0 takes a free one.")] = 8082
    internal_secret: Annotated[Secret, Meta(description="Shared with the gateway, which signs who is asking.")]
    providers_file: Annotated[
        Path | None, Meta(description="Model catalogue (TOML); absent: providers with a key.")
    ] = None
    bootstrap_file: Annotated[
        Path | None, Meta(description="Policy (TOML) whose unknown entities are written once.")
    ] = None
    redis: RedisSettings = RedisSettings()
    kafka: KafkaSettings = KafkaSettings()
    clickhouse: ClickHouseSettings = ClickHouseSettings()
    explain: ExplainSettings = ExplainSettings()
    visible_within_s: Annotated[float, Meta(ge=0, description="Longest wait for a change to come into force.")] = 3.0
    landing_wait_s: Annotated[float, Meta(ge=0, le=1, description="Longest wait for the row of a new decision.")] = 0.5
    what_if_requests: Annotated[int, Meta(ge=1, description="Most requests that a what-if over HTTP reads.")] = 20_000
    watch_s: Annotated[float, Meta(ge=0, description="Pause between looks at routes with gates; 0 never looks.")] = 60.0
    export_rows: Annotated[int, Meta(ge=1, description="Most rows of one export.")] = 1_000_000


class PolicyConfig(msgspec.Struct, frozen=True, kw_only=True):
    """What the commands that change the policy are told; the same variables as the service's."""

    redis: RedisSettings = RedisSettings()
    kafka: KafkaSettings = KafkaSettings()
    providers_file: Annotated[Path | None, Meta(description="Model catalogue (TOML) that rules are checked with.")] = (
        None
    )
    visible_within_s: Annotated[float, Meta(ge=0, description="Longest wait for a change to come into force.")] = 10.0


class AuditConfig(msgspec.Struct, frozen=True, kw_only=True):
    """What the commands that read the decision log are told; the same variables as the service's."""

    clickhouse: ClickHouseSettings = ClickHouseSettings(timeout_s=60.0)
    providers_file: Annotated[Path | None, Meta(description="Model catalogue (TOML): which families models are.")] = (
        None
    )


class LabelsConfig(msgspec.Struct, frozen=True, kw_only=True):
    """What the command that exports labelled prompts is told; the same variables as the service's."""

    clickhouse: ClickHouseSettings = ClickHouseSettings(timeout_s=60.0)
    redis: RedisSettings = RedisSettings()
