"""Configuration of the aggregator."""

from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from libs.kafka.settings import JournalSettings, KafkaSettings
from libs.routing.noise import Privacy
from libs.routing.noised_tasks import Noise, noise_of
from libs.runtime.config import Secret, ServiceConfig
from libs.runtime.redis import RedisSettings

DAY_S = 86_400


class ClickHouseSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where ClickHouse is."""

    url: Annotated[str, Meta(description="clickhouse://user:password@host:port/database, native protocol.")] = (
        "clickhouse://default@127.0.0.1:9000/default"
    )
    connect_timeout_s: Annotated[float, Meta(gt=0, description="Longest wait for a connection.")] = 3.0
    timeout_s: Annotated[float, Meta(gt=0, description="Longest wait for an answer.")] = 60.0


class PoolNoiseSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How much noise what the pool says has; none without an epsilon."""

    epsilon: Annotated[
        Annotated[float, Meta(gt=0, le=100)] | None,
        Meta(description="Privacy that saying one task once costs; absent: no noise."),
    ] = None
    period_epsilon: Annotated[float, Meta(gt=0, le=1000, description="Privacy that a whole period may cost.")] = 8.0
    period_days: Annotated[int, Meta(ge=1, le=3660, description="Length of a period.")] = 30
    delta: Annotated[float, Meta(gt=0, le=0.1, description="Probability that epsilon does not hold.")] = 1e-6
    tenant_cap: Annotated[float, Meta(gt=0, le=1e6, description="Most sessions that a tenant counts per task.")] = 5.0

    def __post_init__(self) -> None:
        if self.epsilon is not None and self.epsilon > self.period_epsilon:
            raise ValueError("POOL_NOISE_EPSILON has to be at most POOL_NOISE_PERIOD_EPSILON")

    @property
    def privacy(self) -> Privacy | None:
        """Return what the noise is made for, None where it is off."""
        if self.epsilon is None:
            return None
        return Privacy(
            epsilon=self.epsilon,
            period_epsilon=self.period_epsilon,
            period_days=self.period_days,
            delta=self.delta,
            tenant_cap=self.tenant_cap,
        )


class AggregatorConfig(ServiceConfig, frozen=True, kw_only=True):
    """What the aggregator is told."""

    port: Annotated[int, Meta(ge=0, le=65_535, description="Port to listen on; 0 takes a free one.")] = 8084
    roles: Annotated[
        tuple[Literal["learn", "sink"], ...],
        Meta(description="What this process does: learn keeps statistics and weights, sink fills ClickHouse."),
    ] = ("learn", "sink")
    internal_secret: Annotated[
        Secret | None, Meta(description="Shared with the other services; the pool's noise follows from it.")
    ] = None
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
    pool_noise: PoolNoiseSettings = PoolNoiseSettings()

    def __post_init__(self) -> None:
        if self.pool_noise.epsilon is not None and (self.internal_secret is None or not self.internal_secret.reveal()):
            raise ValueError("INTERNAL_SECRET: missing; POOL_NOISE_EPSILON needs it")

    @property
    def noise(self) -> Noise | None:
        """Return the pool's noise, None where it is off."""
        privacy, secret = self.pool_noise.privacy, self.internal_secret
        return noise_of(privacy, secret.reveal().encode()) if privacy and secret else None
