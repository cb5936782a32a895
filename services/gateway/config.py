"""Configuration of the gateway."""

from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from libs.kafka.settings import JournalSettings, KafkaSettings
from libs.runtime.config import Secret, ServiceConfig
from libs.runtime.redis import RedisSettings


class UpstreamSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How hard the gateway tries to get an answer from providers."""

    max_attempts: Annotated[int, Meta(ge=1, description="Calls per request, retries and fallbacks included.")] = 4
    retries: Annotated[int, Meta(ge=0, description="Repetitions per model after a failure that may pass.")] = 1
    retry_pause_s: Annotated[float, Meta(ge=0, description="Pause before the first repetition; it doubles.")] = 0.05
    breaker_failures: Annotated[int, Meta(ge=1, description="Failures in a row that open a model's circuit.")] = 5
    breaker_open_s: Annotated[float, Meta(gt=0, description="First pause of an open circuit; it doubles.")] = 5.0
    breaker_max_open_s: Annotated[float, Meta(gt=0, description="Longest pause of an open circuit.")] = 60.0


class HotSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How long the hot path waits for Redis, and what it keeps there."""

    timeout_s: Annotated[float, Meta(gt=0, description="Longest wait of a request for Redis before it goes on.")] = 0.25
    session_ttl_s: Annotated[int, Meta(ge=1, description="How long a session keeps its model.")] = 86_400
    alias_ttl_s: Annotated[int, Meta(ge=1, description="How long a completion id leads to its session.")] = 604_800


class ScanSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How the gateway scans prompts."""

    deadline_s: Annotated[
        float, Meta(gt=0, description="Longest wait for a verdict before the fail policy decides.")
    ] = 0.25


class FirewallSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The firewall service as a scanner in front of the gateway's own."""

    url: Annotated[
        tuple[str, ...],
        Meta(description="Firewall service that scans prompts, or its replicas; without, only this process does."),
    ] = ()
    deadline_s: Annotated[float, Meta(gt=0, description="Longest wait for its verdict before this process scans.")] = (
        0.02
    )
    breaker_failures: Annotated[int, Meta(ge=1, description="Failures in a row after which it is left alone.")] = 5
    breaker_open_s: Annotated[float, Meta(gt=0, description="How long at first; it doubles.")] = 1.0
    breaker_max_open_s: Annotated[float, Meta(gt=0, description="How long at most.")] = 10.0

    def __post_init__(self) -> None:
        if not all(url.startswith(("http://", "https://")) for url in self.url):
            raise ValueError("url: an address begins with http:// or https://")


class GatewayConfig(ServiceConfig, frozen=True, kw_only=True):
    """What the gateway is told."""

    internal_secret: Annotated[Secret, Meta(description="Shared with the other services: signs who is asking.")]
    redis: RedisSettings = RedisSettings()
    hot: HotSettings = HotSettings()
    kafka: KafkaSettings = KafkaSettings()
    journal: JournalSettings = JournalSettings()
    upstream: UpstreamSettings = UpstreamSettings()
    scan: ScanSettings = ScanSettings()
    firewall: FirewallSettings = FirewallSettings()
    bootstrap_file: Annotated[
        Path | None, Meta(description="Policy file (TOML) whose keys are valid where Redis does not know them.")
    ] = None
    providers_file: Annotated[
        Path | None, Meta(description="Model catalogue (TOML); without, providers whose API key is in the environment.")
    ] = None
    feedback_ingest_url: Annotated[str, Meta(description="Address of feedback-ingest.")] = "http://127.0.0.1:8083"
    router_url: Annotated[str, Meta(description="Address of the router.")] = "http://127.0.0.1:8082"
    firewall_service_url: Annotated[str, Meta(description="Address of the firewall service.")] = "http://127.0.0.1:8081"
    forward_timeout_s: Annotated[float, Meta(gt=0, description="Longest silence of another service.")] = 60.0
    weights_poll_s: Annotated[float, Meta(gt=0, description="How often weights are read in case news was lost.")] = 5.0
    key_refresh_s: Annotated[float, Meta(gt=0, description="How often a key is read again in case news was lost.")] = (
        10.0
    )
