"""A table is in the control log under the key of its entity, or is said not to be."""

import msgspec
import pytest

from libs.contracts.events import ControlChanged
from libs.kafka.memory import MemoryBroker, MemorySender
from libs.routing.priors import load_priors
from services.feedback_ingest.adapters.kafka_benchmark_log import KafkaBenchmarkLog
from services.feedback_ingest.domain.benchmarks import loaded
from services.feedback_ingest.ports import LogUnavailableError

FACT = loaded(load_priors(), msgspec.structs.replace(load_priors(), built_on="2027-01-01"), actor="cli", now_ms=7)


async def test_a_change_is_written_whole():
    broker = MemoryBroker(partitions=1)
    await KafkaBenchmarkLog(MemorySender(broker)).append(FACT)
    (record,) = broker.records("control")
    assert (b"*platform:priors:benchmarks", 7) == (record.key, record.timestamp_ms)
    assert FACT == msgspec.json.decode(record.value, type=ControlChanged)


async def test_a_broker_that_is_down_is_told():
    broker = MemoryBroker(partitions=1)
    broker.down = True
    with pytest.raises(LogUnavailableError):
        await KafkaBenchmarkLog(MemorySender(broker)).append(FACT)
