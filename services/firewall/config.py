"""Configuration of the firewall."""

from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import Meta

from libs.kafka.settings import JournalSettings, KafkaSettings
from libs.runtime.config import Secret, ServiceConfig
from libs.runtime.redis import RedisSettings

RedisDeadline: TypeAlias = Annotated[float, Meta(gt=0, description="Longest wait for Redis, retries included.")]
EvidenceTime: TypeAlias = Annotated[
    int, Meta(ge=1, description="How long suspicious passages are held against a session after the last one.")
]


class QuarantineConfig(msgspec.Struct, frozen=True, kw_only=True):
    """What the commands on quarantines are told."""

    redis: RedisSettings = RedisSettings()
    redis_deadline_s: RedisDeadline = 1.0
    evidence_s: EvidenceTime = 86_400


class FirewallConfig(ServiceConfig, frozen=True, kw_only=True):
    """What the firewall is told."""

    port: Annotated[int, Meta(ge=0, le=65_535, description="Port to listen on; 0 takes a free one.")] = 8081
    internal_secret: Annotated[Secret, Meta(description="Shared with the gateway, which signs who is asking.")]
    roles: Annotated[
        tuple[Literal["api", "deep_scan"], ...],
        Meta(description="What this process does: api answers scans, deep_scan reads the transcripts."),
    ] = ("api", "deep_scan")
    redis: RedisSettings = RedisSettings()
    redis_deadline_s: RedisDeadline = 1.0
    kafka: KafkaSettings = KafkaSettings()
    journal: JournalSettings = JournalSettings()
    policy_cache_s: Annotated[float, Meta(ge=0, description="How long a tenant's policy is remembered.")] = 15.0
    scan_deadline_s: Annotated[float, Meta(gt=0, description="Longest wait for one verdict over HTTP.")] = 2.0
    deep_scan_deadline_s: Annotated[float, Meta(gt=0, description="Longest wait for one verdict on a transcript.")] = (
        30.0
    )
    deep_scan_concurrency: Annotated[int, Meta(ge=1, description="Transcripts in the scanner's queue at a time.")] = 8
    second_opinion: Annotated[
        Literal["auto", "off"], Meta(description="auto asks a small transformer too, where its weights are installed.")
    ] = "auto"
    label_days: Annotated[int, Meta(ge=1, description="How long a first label shuts out later ones.")] = 90
    quarantine_s: Annotated[int, Meta(ge=1, description="How long a hostile session is quarantined.")] = 3_600
    evidence_s: EvidenceTime = 86_400
