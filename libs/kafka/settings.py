"""How a service reaches Kafka and where it journals; nest `KafkaSettings` as field `kafka`, `JournalSettings` as `journal`."""

from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from aiokafka.helpers import create_ssl_context
from msgspec import Meta

from libs.runtime.config import Secret


class KafkaSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where Kafka is and how to talk to it."""

    bootstrap: Annotated[str, Meta(description="host:port of brokers, comma separated.")] = "127.0.0.1:9092"
    security_protocol: Annotated[
        Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"], Meta(description="How connections are secured.")
    ] = "PLAINTEXT"
    ssl_cafile: Annotated[Path | None, Meta(description="Certificate authority, where it is not a public one.")] = None
    sasl_mechanism: Annotated[
        Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"], Meta(description="How the user is proven.")
    ] = "SCRAM-SHA-512"
    sasl_username: Annotated[str | None, Meta(description="User, with SASL.")] = None
    sasl_password: Annotated[Secret | None, Meta(description="Password, with SASL.")] = None
    request_timeout_s: Annotated[float, Meta(gt=0, description="Longest wait for an acknowledgement.")] = 10.0
    idempotent: Annotated[
        bool, Meta(description="Let the broker drop duplicates of retries; the embedded broker cannot.")
    ] = True
    compression: Annotated[Literal["none", "gzip"], Meta(description="Of record batches.")] = "none"
    max_message_bytes: Annotated[int, Meta(ge=1024, description="Largest event; topics are created to take it.")] = (
        1_000_000
    )
    replication: Annotated[int, Meta(ge=1, description="Copies of each partition; 3 in production.")] = 1
    shard: Annotated[
        str,
        Meta(
            pattern=r"^(\d+/[1-9]\d*)?$",
            description="i/n: own the partitions p with p mod n = i, joining no group; empty joins the consumer group.",
        ),
    ] = ""

    def __post_init__(self) -> None:
        if self.shard and self.parsed_shard()[0] >= self.parsed_shard()[1]:
            raise ValueError("KAFKA_SHARD: i/n needs i < n")
        if self.security_protocol.startswith("SASL") and not (self.sasl_username and self.sasl_password):
            raise ValueError("KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD are needed with SASL")

    def parsed_shard(self) -> tuple[int, int]:
        """Return `(index, shards)`; only where `shard` is set."""
        index, _, shards = self.shard.partition("/")
        return int(index), int(shards)

    def connection(self) -> dict[str, Any]:
        """Return the arguments that every client of the Kafka library takes."""
        arguments: dict[str, Any] = {
            "bootstrap_servers": self.bootstrap,
            "security_protocol": self.security_protocol,
            "request_timeout_ms": int(self.request_timeout_s * 1000),
        }
        if self.security_protocol.endswith("SSL"):
            arguments["ssl_context"] = create_ssl_context(cafile=self.ssl_cafile and str(self.ssl_cafile))
        if self.sasl_username and self.sasl_password and self.security_protocol.startswith("SASL"):
            arguments["sasl_mechanism"] = self.sasl_mechanism
            arguments["sasl_plain_username"] = self.sasl_username
            arguments["sasl_plain_password"] = self.sasl_password.reveal()
        return arguments


class JournalSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where events wait until Kafka has them."""

    directory: Annotated[
        Path, Meta(description="Directory of journals, on a disk that outlives the process; one slot per process.")
    ] = Path(".data/journal")
    max_bytes: Annotated[int, Meta(ge=1, description="Disk used while Kafka is away; events beyond are dropped.")] = (
        1 << 30
    )
    segment_bytes: Annotated[int, Meta(ge=1, description="Size at which a journal file is closed.")] = 16 << 20
    chunk_bytes: Annotated[int, Meta(ge=1, description="Most bytes handed to Kafka at a time.")] = 512 << 10
    linger_s: Annotated[float, Meta(ge=0, description="Wait for more events before handing over less than that.")] = (
        0.02
    )
    sync_interval_s: Annotated[float, Meta(gt=0, description="An event unacknowledged for this long is fsynced.")] = (
        0.05
    )
    close_timeout_s: Annotated[float, Meta(ge=0, description="Longest wait for Kafka at stop.")] = 5.0
    adopt_interval_s: Annotated[
        float, Meta(gt=0, description="How often to look for journals that lost their owner.")
    ] = 30.0
