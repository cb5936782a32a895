"""Configuration of feedback-ingest."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from libs.kafka.settings import JournalSettings, KafkaSettings
from libs.runtime.config import Secret, ServiceConfig
from libs.runtime.redis import RedisSettings


class JudgeSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The model that scores a sample of the answers."""

    model: Annotated[str, Meta(description="Model that judges; empty switches judging off.")] = ""
    base_url: Annotated[str, Meta(description="OpenAI-compatible address of the judge, a provider's own.")] = (
        "https://api.openai.com/v1"
    )
    api_key_env: Annotated[str, Meta(description="Name of the variable that holds the judge's API key.")] = (
        "OPENAI_API_KEY"
    )
    sample_rate: Annotated[float, Meta(ge=0, le=1, description="Share of the requests that are judged.")] = 0.1
    concurrency: Annotated[int, Meta(ge=1, description="Questions in flight at a time.")] = 8
    timeout_s: Annotated[float, Meta(gt=0, description="Longest wait for one answer of the judge.")] = 60.0
    max_chars: Annotated[int, Meta(ge=100, description="Most characters of a request or answer shown.")] = 24_000


class FeedbackConfig(ServiceConfig, frozen=True, kw_only=True):
    """What feedback-ingest is told."""

    port: Annotated[int, Meta(ge=0, le=65_535, description="Port to listen on; 0 takes a free one.")] = 8083
    max_body_bytes: Annotated[int, Meta(ge=1, description="Largest request body; a larger one answers 413.")] = 65_536
    internal_secret: Annotated[Secret, Meta(description="Shared with the gateway, which signs who is asking.")]
    roles: Annotated[
        tuple[Literal["api", "judge"], ...],
        Meta(description="What this process does: api takes ratings, judge makes them."),
    ] = ("api", "judge")
    redis: RedisSettings = RedisSettings()
    redis_deadline_s: Annotated[float, Meta(gt=0, description="Longest wait for Redis, retries included.")] = 1.0
    kafka: KafkaSettings = KafkaSettings()
    journal: JournalSettings = JournalSettings()
    judge: JudgeSettings = JudgeSettings()
    mark_days: Annotated[int, Meta(ge=1, description="How long a first rating shuts out later ones.")] = 90
    plan_cache_s: Annotated[float, Meta(ge=0, description="How long a plan's quota is remembered.")] = 15.0

    @property
    def judges(self) -> bool:
        """Say whether this process runs the judge."""
        return "judge" in self.roles and bool(self.judge.model)


class BenchmarkConfig(msgspec.Struct, frozen=True, kw_only=True):
    """What the commands on the Day-0 table are told; the same variables as the service's."""

    redis: RedisSettings = RedisSettings()
    redis_deadline_s: Annotated[float, Meta(gt=0, description="Longest wait for Redis, retries included.")] = 1.0
    kafka: KafkaSettings = KafkaSettings()
    visible_within_s: Annotated[float, Meta(ge=0, description="Longest wait for a table to come into force.")] = 10.0
